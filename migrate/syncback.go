package migrate

import (
	"context"
	"errors"
	"fmt"
)

// syncBack brings the old roots up to date, and then takes the engine back to them.
func (r *work) syncBack(ctx context.Context) error {
	if r.state.Outcome != Done {
		return fmt.Errorf("bring the old root up to date: the engine is not on the new one")
	}
	if r.state.Plan.Options.Method == MethodRename {
		return r.rollback(ctx)
	}
	err := r.stopAfterwards(ctx, StepSyncBack, true)
	if err != nil && r.state.Outcome == Done {
		return err // nothing was changed
	}
	if err == nil {
		err = r.bringBack(ctx)
	}
	if err != nil {
		if stay := r.stayOnNewRoot(context.WithoutCancel(ctx), err); stay != nil {
			return errors.Join(err, stay)
		}
		return err
	}
	r.state.StaleOld = false
	return r.undo(context.WithoutCancel(ctx), "rollback was asked for")
}

func (r *work) bringBack(ctx context.Context) error {
	r.state.StaleOld = true
	if err := r.journal.save(); err != nil {
		return err
	}
	r.disconnect()
	if err := r.services.stop(ctx); err != nil {
		return err
	}
	if err := r.services.mask(ctx, r.state.Masked); err != nil {
		return err
	}
	for _, s := range r.stores() {
		s = backwards(s)
		if err := waitUnused(ctx, s.From); err != nil {
			return err
		}
		t, err := openTrees(s, r.journal, r.Report)
		if err != nil {
			return err
		}
		if err = t.final(ctx); err == nil {
			err = t.verify(ctx, r.state.Plan.Options.Verify, r.state.Plan.ID)
		}
		t.close()
		if err == nil {
			err = relocate(s.To, s, r.state.Plan.Survey.Engine.UserNS)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stayOnNewRoot has the engine go on where it was, after a rollback that could not be done.
func (r *work) stayOnNewRoot(ctx context.Context, why error) error {
	if err := r.newRoot(ctx); err != nil {
		return err
	}
	if err := letGo(ctx, r.engine, r.state.Held); err != nil {
		r.problem("%v", err)
	}
	if _, err := startAll(ctx, r.engine, r.state.Ran); err != nil {
		r.problem("%v", err)
	}
	r.state.Reason = fmt.Sprintf("rollback: %v", why)
	return r.end(ctx, Done)
}
