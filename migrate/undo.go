package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// undoTime is how long an undoing may take: starting the engine is most of it.
const undoTime = 20 * time.Minute

// undoFor undoes a run that did not get to its point of no return.
func (r *work) undoFor(ctx context.Context, step Step, why error) error {
	undone := &UndoneError{Step: step, Err: why}
	var differs *VerifyError
	if step != StepVerify || errors.As(why, &differs) { // a comparison that was cut off has found nothing
		r.state.Failed = step
	}
	if err := r.undo(context.WithoutCancel(ctx), fmt.Sprintf("%s: %v", step, why)); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", step, why), fmt.Errorf("undo: %w", err))
	}
	return undone
}

// undo brings the old roots back. It goes by what the journal says was changed, and can be repeated.
func (r *work) undo(ctx context.Context, why string) error {
	ctx, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	s := r.state
	touched := s.BootUnit || len(s.Held) > 0 || len(s.Ran) > 0 || len(s.Masked) > 0
	if s.Reason == "" {
		s.Reason = why
	}
	if !touched {
		return r.end(ctx, Interrupted)
	}
	s.Outcome = ""
	// The disk of the journal may be full or broken. That must not keep containers down: what is undone now does no
	// harm when it is undone once more.
	unwritten := r.journal.begin(StepUndo)
	r.Report.Say("undoing: " + why)
	r.Report.Item(string(StepUndo))
	if len(s.Masked) > 0 {
		if err := r.oldRoot(ctx); err != nil {
			return err
		}
		// Not once more, should this undoing be repeated: with their policies back, the engine would start containers.
		s.Configured, s.Renamed, s.Masked = nil, false, nil
		unwritten = errors.Join(unwritten, r.journal.save())
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	policies := letGo(ctx, r.engine, s.Held)
	r.stopAgain(ctx)
	started, err := startAll(ctx, r.engine, s.Ran) // whatever becomes of the policies
	if err != nil {
		r.problem("%v", err)
	}
	s.Report.Started = started
	r.upAgain()
	if policies != nil {
		return errors.Join(policies, unwritten)
	}
	return r.end(ctx, RolledBack)
}

// oldRoot has the engine run on the old root.
func (r *work) oldRoot(ctx context.Context) error {
	if r.state.Configured != nil || r.state.Renamed {
		if r.state.Renamed {
			r.holdAgain(ctx)
		}
		r.disconnect()
		if err := r.services.stop(ctx); err != nil {
			return err
		}
		if r.state.Configured != nil {
			if err := r.state.Configured.undo(ctx, r.Manager); err != nil {
				return err
			}
		}
		if r.state.Renamed {
			if err := r.renameBack(); err != nil {
				return err
			}
		}
	}
	if err := r.services.unmask(ctx, r.state.Masked); err != nil {
		return err
	}
	return r.services.start(ctx)
}

// holdAgain makes sure, where policies go back with the data, that the engine starts nothing by itself which does not
// run now. An engine that does not answer is left as it is: it is about to be stopped.
func (r *work) holdAgain(ctx context.Context) {
	up, err := r.services.up(ctx)
	if err != nil || !up || r.connect(ctx) != nil {
		return
	}
	all, err := r.engine.Containers(ctx)
	if err == nil {
		err = r.holdThese(ctx, all)
	}
	if err != nil {
		r.problem("%v", err)
	}
}
