package engine

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/docker/docker/api/types/image"
)

// agentName is the name of images with an agent's program; the tag is the program's digest.
const agentName = "davit-agent"

// AgentImage is an image whose only file is a program, made on the spot.
type AgentImage struct {
	engine *Engine
	name   string
	file   string
	userNS bool
}

// ErrAgentProgram says that a file cannot run on the engine's machine, as Linux's own kernel runs it.
var ErrAgentProgram = errors.New("not a static program for the engine's machine")

// AgentImage gives the engine an image with a static Linux program, unless it has it. Its containers are made by
// Start; the caller closes it when they are gone. A file of another architecture, or one that needs libraries, is an
// ErrAgentProgram.
func (e *Engine) AgentImage(ctx context.Context, file string) (*AgentImage, error) {
	info, err := e.Info(ctx)
	if err != nil {
		return nil, err
	}
	if info.OS != "linux" {
		return nil, fmt.Errorf("make an image for a helper: the engine runs containers of %s", info.OS)
	}
	if err := checkProgram(file, info.Arch); err != nil {
		return nil, fmt.Errorf("make an image for a helper of %s: %w", file, err)
	}
	sum, err := fileSum(file)
	if err != nil {
		return nil, fmt.Errorf("make an image for a helper: %w", err)
	}
	i := &AgentImage{engine: e, name: agentName + ":" + sum[:24], file: file, userNS: info.UserNS}
	return i, i.provide(ctx)
}

// provide makes the image when the engine does not have it.
func (i *AgentImage) provide(ctx context.Context) error {
	_, err := i.engine.InspectImage(ctx, i.name)
	if err == nil || !IsNotFound(err) {
		return err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(i.write(w)) }()
	defer r.Close()
	resp, err := i.engine.api.ImageImport(ctx, image.ImportSource{Source: r, SourceName: "-"}, i.name,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/davit"]`, "LABEL " + LabelHelper + "=1"}})
	if err != nil {
		return i.engine.wrap(err, "make an image for a helper")
	}
	defer resp.Close()
	_, err = readImport(resp)
	return i.engine.wrap(err, "make an image for a helper")
}

// write writes the image's layer, compressed where it has to travel.
func (i *AgentImage) write(w io.Writer) error {
	if strings.HasPrefix(i.engine.endpoint, "unix://") {
		return i.writeLayer(w)
	}
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	return errors.Join(i.writeLayer(z), z.Close())
}

func (i *AgentImage) writeLayer(w io.Writer) error {
	f, err := os.Open(i.file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "davit", Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(t, f); err != nil {
		return err
	}
	return t.Close()
}

// Close removes the image, unless another davit's container uses it.
func (i *AgentImage) Close(ctx context.Context) error {
	_, err := i.engine.api.ImageRemove(ctx, i.name, image.RemoveOptions{})
	if err == nil || IsNotFound(err) || IsConflict(err) {
		return nil
	}
	return i.engine.wrap(err, "remove the image of a helper")
}

func checkProgram(file, arch string) error {
	f, err := elf.Open(file)
	var unreadable *fs.PathError
	if errors.As(err, &unreadable) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w (%s)", ErrAgentProgram, arch)
	}
	defer f.Close()
	machines := map[elf.Machine][]string{
		elf.EM_X86_64:  {"x86_64", "amd64"},
		elf.EM_AARCH64: {"aarch64", "arm64"},
		elf.EM_ARM:     {"armv7l", "armv6l", "arm"},
		elf.EM_RISCV:   {"riscv64"},
	}
	fits := false
	for _, name := range machines[f.Machine] {
		fits = fits || name == arch
	}
	for _, p := range f.Progs {
		fits = fits && p.Type != elf.PT_INTERP
	}
	if !fits {
		return fmt.Errorf("%w (%s)", ErrAgentProgram, arch)
	}
	return nil
}

func fileSum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
