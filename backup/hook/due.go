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

	"davit/engine"
	"davit/engine/hostfs"
)

// due is a note on disk that commands are still to be run in a container. Who made it holds a lock on it, which
// goes away with the process.
type due struct {
	file *os.File
}

// note is what such a file holds.
type note struct {
	Engine    string        `json:"engine"` // reference of the container's
	Container string        `json:"container"`
	Post      []Command     `json:"post"`
	Timeout   time.Duration `json:"timeout_ns"`
}

func dueFolder(stateDir string) string { return filepath.Join(stateDir, "hooks") }

// owe writes down, durably, what has to be run in a container.
func (r *Runner) owe(container string, s *Spec) (*due, error) {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("note what is due: %w", err)
	}
	f, err := os.CreateTemp(r.dir, "post-*.json")
	if err != nil {
		return nil, fmt.Errorf("note what is due: %w", err)
	}
	d := &due{file: f}
	err = hostfs.Lock(f)
	if err == nil {
		err = json.NewEncoder(f).Encode(note{Engine: r.engine.Reference(), Container: container, Post: s.Post, Timeout: s.Timeout})
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
	return hostfs.RemoveLocked(d.file)
}

// Recovered is what became of commands that a killed run left due.
type Recovered struct {
	Container string
	Outcome   string
}

// Connect reaches the engine of a reference, "" where a note names none. The caller calls done.
type Connect func(ctx context.Context, reference string) (eng Engine, done func(), err error)

// Recover runs what killed processes left due, each on the engine where it was noted. What cannot be run now stays, and is
// told by the error; those of living processes are left alone.
func Recover(ctx context.Context, stateDir string, now func() time.Time, connect Connect) ([]Recovered, error) {
	dir := dueFolder(stateDir)
	entries, err := os.ReadDir(dir)
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
		d, n, err := adopt(filepath.Join(dir, e.Name()))
		if d == nil || err != nil {
			errs = append(errs, err)
			continue
		}
		done, err := n.run(ctx, stateDir, now, connect)
		if err != nil {
			errs = append(errs, err, d.file.Close())
			continue
		}
		list = append(list, *done)
		errs = append(errs, d.done())
	}
	return list, errors.Join(errs...)
}

// adopt takes a note whose process is dead; nil when somebody else looks after it.
func adopt(path string) (*due, *note, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what is due: %w", err)
	}
	d, n := &due{file: f}, &note{}
	if hostfs.Lock(f) != nil {
		return nil, nil, f.Close()
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil || json.Unmarshal(data, n) != nil {
		// It was cut short before it was on disk, so nothing had begun.
		return nil, nil, d.done()
	}
	return d, n, nil
}

// run runs what is due, where that still can be. Commands that fail are no error: they were run.
func (n *note) run(ctx context.Context, stateDir string, now func() time.Time, connect Connect) (*Recovered, error) {
	eng, done, err := connect(ctx, n.Engine)
	if err != nil {
		return nil, fmt.Errorf("run what is due in container %s: %w", n.Container, err)
	}
	defer done()
	c, err := eng.InspectContainer(ctx, n.Container)
	switch {
	case engine.IsNotFound(err):
		return &Recovered{n.Container, "it is gone"}, nil
	case err != nil:
		return nil, err
	case !c.Running:
		return &Recovered{n.Container, "it does not run any more"}, nil
	case c.Paused:
		return nil, fmt.Errorf("container %s is paused, and its post hook is due", n.Container)
	}
	if err := New(eng, stateDir, now, func(Result) {}).runAll(ctx, n.Container, n.Post, n.Timeout); err != nil {
		return &Recovered{n.Container, "post hook: " + err.Error()}, nil
	}
	return &Recovered{n.Container, "post hook done"}, nil
}
