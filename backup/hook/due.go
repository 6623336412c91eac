package hook

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
	"time"

	"golang.org/x/sys/unix"

	"davit/engine"
	"davit/engine/hostfs"
)

// due is a note on disk that commands are still to be run in a container. Who made it holds a lock on it, which
// goes away with the process.
type due struct {
	file *os.File
	path string
}

// note is what such a file holds.
type note struct {
	Container string        `json:"container"`
	Post      []Command     `json:"post"`
	Timeout   time.Duration `json:"timeout_ns"`
}

func dueFolder(stateDir string) string { return filepath.Join(stateDir, "hooks") }

// Due tells whether there may be something for [Runner.Recover] to do.
func Due(stateDir string) bool {
	left, err := filepath.Glob(filepath.Join(dueFolder(stateDir), "post-*"))
	return err == nil && len(left) > 0
}

// owe writes down, durably, what has to be run in a container.
func (r *Runner) owe(container string, s *Spec) (*due, error) {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("note what is due: %w", err)
	}
	f, err := os.CreateTemp(r.dir, "post-*.json")
	if err != nil {
		return nil, fmt.Errorf("note what is due: %w", err)
	}
	d := &due{file: f, path: f.Name()}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = json.NewEncoder(f).Encode(note{Container: container, Post: s.Post, Timeout: s.Timeout})
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = hostfs.SyncDir(r.dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("note what is due: %w", err), d.done())
	}
	return d, nil
}

// done removes the note.
func (d *due) done() error {
	return errors.Join(os.Remove(d.path), d.file.Close())
}

// Recovered is what became of commands that a killed run left due.
type Recovered struct {
	Container string
	Outcome   string
}

// Recover runs what killed processes left due. What cannot be run now stays, and is told by the error; those of
// living processes are left alone.
func (r *Runner) Recover(ctx context.Context) ([]Recovered, error) {
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	var list []Recovered
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "post-") {
			continue
		}
		done, err := r.recover(ctx, filepath.Join(r.dir, e.Name()))
		if err != nil {
			errs = append(errs, err)
		} else if done != nil {
			list = append(list, *done)
		}
	}
	return list, errors.Join(errs...)
}

// recover runs what one note asks for; nil when somebody else looks after it.
func (r *Runner) recover(ctx context.Context, path string) (*Recovered, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	d := &due{file: f, path: path}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil, f.Close()
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	var n note
	if err != nil || json.Unmarshal(data, &n) != nil {
		// It was cut short before it was on disk, so nothing had begun.
		return nil, d.done()
	}
	c, err := r.engine.InspectContainer(ctx, n.Container)
	switch {
	case engine.IsNotFound(err):
		return &Recovered{n.Container, "it is gone"}, d.done()
	case err != nil:
		return nil, errors.Join(err, f.Close())
	case !c.Running:
		return &Recovered{n.Container, "it does not run any more"}, d.done()
	case c.Paused:
		return nil, errors.Join(fmt.Errorf("container %s is paused, and its post hook is due", n.Container), f.Close())
	}
	if err := r.runAll(ctx, n.Container, n.Post, n.Timeout); err != nil {
		return &Recovered{n.Container, "post hook: " + err.Error()}, d.done()
	}
	return &Recovered{n.Container, "post hook done"}, d.done()
}
