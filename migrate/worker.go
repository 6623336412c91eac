package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"davit/migrate/preflight"
)

// Worker carries out what the journal orders. Its methods are called one at a time.
type Worker struct {
	StateDir string
	RunDir   string // a folder that is empty after a boot
	Exe      string // this program, for the unit that sets things right after a reboot
	Manager  Manager
	Connect  Connect
	Now      func() time.Time
	Report   Reporter
	// HealthTime is how long containers may take to say that they are healthy; 0: two minutes.
	HealthTime time.Duration
	// Others names the runs of davit that may have containers paused or stopped; nil: there are none.
	Others func() ([]string, error)
}

// errDowntime is why a run gives up that would have kept the containers down for too long.
var errDowntime = errors.New("the containers were down for as long as --max-downtime allows")

// UndoneError ends a run that was undone: the engine works on the old root.
type UndoneError struct {
	Step Step
	Err  error
}

func (e *UndoneError) Error() string { return fmt.Sprintf("%s: %v; undone", e.Step, e.Err) }
func (e *UndoneError) Unwrap() error { return e.Err }

// PartialError ends a migration that is done although something is not as it was.
type PartialError struct{ Problems []string }

func (e *PartialError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0]
	}
	return fmt.Sprintf("%s (and %d more)", e.Problems[0], len(e.Problems)-1)
}

// Work does what was ordered by [Create] or [Order], and returns when that, or its undoing, has come to an end. A run
// that was undone is an [*UndoneError].
func (w *Worker) Work(ctx context.Context) (err error) {
	r, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	switch r.state.Action {
	case ActionRun:
		return r.run(ctx)
	case ActionRollback:
		return r.rollback(ctx)
	case ActionSyncBack:
		return r.syncBack(ctx)
	}
	return fmt.Errorf("work on migration: unknown action %q", r.state.Action)
}

// Recover undoes, or brings to its end, what a dead worker has left. There is nothing to do while one lives: its error
// is [ErrBusy] then, and [ErrNone] without a migration.
func (w *Worker) Recover(ctx context.Context) (err error) {
	if _, err := Load(w.StateDir); err != nil {
		return err
	}
	r, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	return r.recover(ctx)
}

// work is a worker with the journal in its hands.
type work struct {
	*Worker
	journal  *journal
	state    *State
	services *services
	engine   Engine // nil while there is no connection
}

func (w *Worker) open(ctx context.Context) (*work, error) {
	j, err := openJournal(w.StateDir, w.Now)
	if err != nil {
		return nil, err
	}
	if j.state == nil {
		j.close()
		return nil, ErrNone
	}
	s, err := findServices(ctx, w.Manager, &j.state.Plan, w.RunDir, w.Now)
	if err != nil {
		j.close()
		return nil, err
	}
	return &work{Worker: w, journal: j, state: j.state, services: s}, nil
}

func (r *work) close() error {
	r.disconnect()
	r.journal.close()
	return nil
}

func (r *work) stores() []preflight.Store { return r.state.Plan.Survey.Stores }

// connect connects to the engine, anew after it was started.
func (r *work) connect(ctx context.Context) error {
	r.disconnect()
	e, err := r.Connect(ctx, r.state.Plan.Endpoint)
	if err != nil {
		return err
	}
	r.engine = e
	return nil
}

func (r *work) disconnect() {
	if r.engine != nil {
		_ = r.engine.Close()
		r.engine = nil
	}
}

func (r *work) problem(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.state.Report.Problems = append(r.state.Report.Problems, line)
	r.Report.Say("problem: " + line)
}

func (r *work) passFile(store string) string { return passPath(r.StateDir, r.state.Plan.ID, store) }

// dropPasses forgets the warm passes, once the copies are no longer only copies.
func (r *work) dropPasses() error {
	for _, s := range r.stores() {
		if err := os.Remove(r.passFile(s.Name)); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("forget the last pass: %w", err)
		}
	}
	return nil
}

// end records the outcome and removes what was there for the case of a reboot.
func (r *work) end(ctx context.Context, o Outcome) error {
	r.state.Outcome = o
	if err := r.journal.save(); err != nil {
		return err
	}
	r.journal.release()
	if !r.state.BootUnit {
		return nil
	}
	if err := removeUnit(ctx, r.Manager, bootUnit); err != nil {
		return err
	}
	r.state.BootUnit = false
	return r.journal.save()
}
