package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/engine"
	"davit/engine/hostfs"
)

// note is a file that says on which engine a run may have left helpers. Who made it holds a lock on it, which goes
// away with the process.
type note struct {
	file *os.File
}

func noteFolder(stateDir string) string { return filepath.Join(stateDir, "agents") }

const noteSuffix = ".json"

func writeNote(stateDir, run, reference string) (*note, error) {
	dir := noteFolder(stateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("note a helper container: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, run+noteSuffix), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("note a helper container: %w", err)
	}
	n := &note{file: f}
	if err = hostfs.Lock(f); err == nil {
		err = json.NewEncoder(f).Encode(struct{ Endpoint string }{reference})
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = hostfs.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("note a helper container: %w", err), n.remove())
	}
	return n, nil
}

func (n *note) remove() error { return hostfs.RemoveLocked(n.file) }

// leave lets go of the note for Recover.
func (n *note) leave() error { return n.file.Close() }

// Left tells whether there may be something for Recover to do.
func Left(stateDir string) bool {
	left, err := filepath.Glob(filepath.Join(noteFolder(stateDir), "*"+noteSuffix))
	return err == nil && len(left) > 0
}

// Recover removes the helper containers and their images that killed processes left, and returns how many containers there
// were; those of living processes are left alone. What cannot be removed now stays noted, and is told by the error.
func Recover(ctx context.Context, stateDir string, connect func(ctx context.Context, reference string) (*engine.Engine, error)) (int, error) {
	entries, err := os.ReadDir(noteFolder(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for helper containers: %w", err)
	}
	removed := 0
	var errs []error
	for _, e := range entries {
		run, ok := strings.CutSuffix(e.Name(), noteSuffix)
		if !ok || run == "" {
			continue
		}
		n, err := recoverRun(ctx, filepath.Join(noteFolder(stateDir), e.Name()), run, connect)
		removed += n
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func recoverRun(ctx context.Context, path, run string, connect func(ctx context.Context, reference string) (*engine.Engine, error)) (int, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for helper containers: %w", err)
	}
	n := &note{file: f}
	if hostfs.Lock(f) != nil {
		return 0, f.Close()
	}
	var doc struct{ Endpoint string }
	data, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil || json.Unmarshal(data, &doc) != nil || doc.Endpoint == "" {
		return 0, n.remove() // it was cut short before it was on disk, so nothing had begun
	}
	eng, err := connect(ctx, doc.Endpoint)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("remove the helper containers that %s notes: %w", path, err), n.leave())
	}
	defer eng.Close()
	removed, err := eng.RemoveHelpers(ctx, run)
	if err != nil {
		return removed, errors.Join(err, n.leave())
	}
	return removed, n.remove()
}
