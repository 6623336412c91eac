package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"davit/engine/systemd"
)

// workerUnit runs the worker.
const workerUnit = "davit-migrate.service"

// workerStop is how long a worker that is told to end gets to undo what it did, and ExecStopPost after it.
const workerStop = 30 * time.Minute

// Launcher starts workers; systemd.Conn is one.
type Launcher interface {
	StartTransient(ctx context.Context, t systemd.Transient) error
	Unit(ctx context.Context, name string) (systemd.Unit, error)
	Begin(ctx context.Context, verb systemd.Verb, unit string) (wait func(context.Context) error, err error)
}

// Launch starts a worker for what the journal orders. It lives on without the caller; if it dies, what it did is undone
// by the same unit.
func Launch(ctx context.Context, l Launcher, exe, stateDir string) error {
	if err := clearTelling(stateDir); err != nil {
		return err
	}
	return l.StartTransient(ctx, systemd.Transient{
		Name:         workerUnit,
		Description:  "davit moves the engine's data",
		Exec:         []string{exe, "--state-dir", stateDir, Subcommand, "work"},
		ExecStopPost: []string{exe, "--state-dir", stateDir, Subcommand, "recover"},
		StopTime:     workerStop,
		OOMScore:     -500,
	})
}

// Working tells whether the unit of a worker is there.
func Working(ctx context.Context, l Launcher) (bool, error) {
	u, err := l.Unit(ctx, workerUnit)
	return u.Up(), err
}

// InTheWay tells why no other migration can begin: [ErrBusy], or an [*UnfinishedError]; nil when one can.
func InTheWay(ctx context.Context, l Launcher, stateDir string) error {
	s, err := Load(stateDir)
	if errors.Is(err, ErrNone) || err == nil && s.Over() {
		return nil
	}
	if err != nil {
		return err
	}
	if s.Outcome == "" { // its worker may be on its way to the lock
		up, err := Working(ctx, l)
		if err != nil {
			return err
		}
		if up || Busy(stateDir) {
			return ErrBusy
		}
	}
	return &UnfinishedError{State: s}
}

// Stop tells the worker to end, and waits until it has undone what it did.
func Stop(ctx context.Context, l Launcher) error {
	wait, err := l.Begin(ctx, systemd.Stop, workerUnit)
	if err != nil {
		return err
	}
	return wait(ctx)
}

// attachEvery is how often an attached terminal looks.
const attachEvery = 150 * time.Millisecond

// Attach follows the worker until it has ended, and returns how the migration stands then. The end of ctx ends
// only the following.
func Attach(ctx context.Context, l Launcher, stateDir string, r Reporter) (*State, error) {
	listen := &listener{stateDir: stateDir, report: r}
	for {
		up, err := Working(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("follow the migration: %w", err)
		}
		listen.look()
		if !up {
			return Load(stateDir)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(attachEvery):
		}
	}
}
