package hook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"davit/engine"
	"davit/engine/hostfs"
)

// due is what a note on disk holds: commands that are still to be run in a container.
type due struct {
	Engine    string        `json:"engine"` // reference of the container's
	Container string        `json:"container"`
	Post      []Command     `json:"post"`
	Timeout   time.Duration `json:"timeout_ns"`
}

func dueFolder(stateDir string) string { return filepath.Join(stateDir, "hooks") }

// owe writes down, durably, what has to be run in a container.
func (r *Runner) owe(container string, s *Spec) (*hostfs.Note, error) {
	d := due{Engine: r.engine.Reference(), Container: container, Post: s.Post, Timeout: s.Timeout}
	n, err := hostfs.WriteNote(filepath.Join(r.dir, "post-"+rand.Text()+".json"), d)
	if err != nil {
		return nil, fmt.Errorf("note what is due: %w", err)
	}
	return n, nil
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
	paths, err := hostfs.Matching(dueFolder(stateDir), "post-*")
	if err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	var list []Recovered
	var errs []error
	for _, path := range paths {
		var d due
		note, err := hostfs.AdoptNote(path, &d)
		if err != nil {
			err = fmt.Errorf("read what is due: %w", err)
		}
		if note == nil {
			errs = append(errs, err)
			continue
		}
		done, err := d.run(ctx, stateDir, now, connect)
		if err != nil {
			errs = append(errs, err, note.Leave())
			continue
		}
		list = append(list, *done)
		errs = append(errs, note.Done())
	}
	return list, errors.Join(errs...)
}

// run runs what is due, where that still can be. Commands that fail are no error: they were run.
func (d *due) run(ctx context.Context, stateDir string, now func() time.Time, connect Connect) (*Recovered, error) {
	eng, done, err := connect(ctx, d.Engine)
	if err != nil {
		return nil, fmt.Errorf("run what is due in container %s: %w", d.Container, err)
	}
	defer done()
	c, err := eng.InspectContainer(ctx, d.Container)
	switch {
	case engine.IsNotFound(err):
		return &Recovered{d.Container, "it is gone"}, nil
	case err != nil:
		return nil, err
	case !c.Running:
		return &Recovered{d.Container, "it does not run any more"}, nil
	case c.Paused:
		return nil, fmt.Errorf("container %s is paused, and its post hook is due", d.Container)
	}
	if err := New(eng, stateDir, now, func(Result) {}).runAll(ctx, d.Container, d.Post, d.Timeout); err != nil {
		return &Recovered{d.Container, "post hook: " + err.Error()}, nil
	}
	return &Recovered{d.Container, "post hook done"}, nil
}
