package enginetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// File is a regular file of an image.
type File struct {
	Name    string // path in the image, "etc/motd"
	Content string
	Mode    int64 // 0: 0644
}

// MakeImage makes a one-layer image of a static busybox with all its commands, and files.
// Its command waits for SIGTERM. Other commands, as process 1, ignore that signal, and are
// killed ten seconds later: see `docker run --init` and `--stop-signal KILL`.
func (d *Dockerd) MakeImage(t testing.TB, ref string, files ...File) {
	t.Helper()
	d.ImportImage(t, ref, nil, files...)
}

// ImportImage is MakeImage with Dockerfile instructions for the config, "LABEL a=b".
func (d *Dockerd) ImportImage(t testing.TB, ref string, changes []string, files ...File) {
	t.Helper()
	layer, err := busyboxLayer(files)
	if err != nil {
		t.Fatalf("make image %s: %v", ref, err)
	}
	args := []string{"import", "--change", "CMD trap exit TERM; while :; do sleep 3600 & wait; done", "--change", "ENV PATH=/bin"}
	for _, c := range changes {
		args = append(args, "--change", c)
	}
	d.CLIInput(t, layer, append(args, "-", ref)...)
}

// BuildLayers builds an image on top of another one, with a layer for each shell command.
func (d *Dockerd) BuildLayers(t testing.TB, ref, from string, commands ...string) {
	t.Helper()
	var file strings.Builder
	fmt.Fprintf(&file, "FROM %s\n", from)
	for _, c := range commands {
		fmt.Fprintf(&file, "RUN %s\n", c)
	}
	d.CLIInput(t, strings.NewReader(file.String()), "build", "--quiet", "--network", "none", "--tag", ref, "-")
}

// busyboxLayer is the tar stream of an image's only layer.
func busyboxLayer(files []File) (*bytes.Buffer, error) {
	bin, applets, err := busybox()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := layerWriter{tar.NewWriter(&buf)}
	for _, dir := range []string{"bin/", "etc/", "tmp/"} {
		w.add(tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}, "")
	}
	w.add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755}, bin)
	for _, a := range applets {
		w.add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + a, Linkname: "busybox", Mode: 0o777}, "")
	}
	for _, f := range files {
		mode := f.Mode
		if mode == 0 {
			mode = 0o644
		}
		w.add(tar.Header{Typeflag: tar.TypeReg, Name: path.Clean(f.Name), Mode: mode}, f.Content)
	}
	return &buf, w.Close()
}

// layerWriter writes into memory: what goes wrong is a bad header, and Close tells.
type layerWriter struct{ *tar.Writer }

func (w layerWriter) add(h tar.Header, content string) {
	h.Size = int64(len(content))
	if w.WriteHeader(&h) == nil {
		w.Write([]byte(content))
	}
}

// busybox reads the static busybox of this machine and its list of commands.
func busybox() (content string, applets []string, err error) {
	file := ""
	for _, dir := range []string{"/bin", "/usr/bin"} {
		if _, err := os.Stat(dir + "/busybox"); err == nil {
			file = dir + "/busybox"
			break
		}
	}
	if file == "" {
		return "", nil, fmt.Errorf("no busybox: run scripts/deps.sh test as root")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	list, err := exec.Command(file, "--list").Output()
	if err != nil {
		return "", nil, fmt.Errorf("list busybox's commands: %w", err)
	}
	for _, a := range lines(string(list)) {
		if a != "busybox" {
			applets = append(applets, a)
		}
	}
	return string(data), applets, nil
}
