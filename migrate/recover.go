package migrate

import (
	"context"
	"errors"
)

// errDied is why a migration is undone whose worker died.
var errDied = errors.New("the process that moved the data was killed, or the host went down")

// recover goes by the step that had begun.
func (r *work) recover(ctx context.Context) error {
	s := r.state
	if s.Outcome != "" {
		return nil
	}
	switch s.Step {
	case StepCopy:
		s.Reason = errDied.Error()
		return r.end(ctx, Interrupted)
	case StepRelease, StepHealth:
		if err := r.newRoot(ctx); err != nil {
			return err
		}
		return r.forward(ctx)
	case StepCopyBack:
		return r.stayedOnNewRoot(ctx, errDied)
	case StepSyncBack:
		return r.stayOnNewRoot(ctx, errDied)
	case StepStart, StepCompare:
		if !s.ContainersStarted {
			break
		}
		if err := r.newRoot(ctx); err != nil {
			break
		}
		if err := r.compare(ctx); err != nil {
			return err
		}
		return r.forward(ctx)
	}
	err := r.undoFor(ctx, s.Step, errDied)
	var undone *UndoneError
	if errors.As(err, &undone) {
		return nil // that is what was to be done
	}
	return err
}

// newRoot has the engine run on the new roots, which it is configured for.
func (r *work) newRoot(ctx context.Context) error {
	if err := r.services.unmask(ctx, r.state.Masked); err != nil {
		return err
	}
	if err := r.services.start(ctx); err != nil {
		return err
	}
	return r.connect(ctx)
}
