package migrate

import (
	"context"
	"errors"
	"fmt"
)

// syncBack brings the old roots up to date, most of it while the containers run, and then takes the engine back to them.
func (r *work) syncBack(ctx context.Context) error {
	if r.state.Outcome != Done {
		return fmt.Errorf("bring the old root up to date: the engine is not on the new one")
	}
	if r.state.Plan.Options.Method == MethodRename {
		return r.rollback(ctx)
	}
	if _, _, err := r.runsNow(ctx); err != nil { // what forbids it is told before hours of copying
		return err
	}
	var backs []*trees
	defer func() {
		for _, t := range backs {
			t.close()
		}
	}()
	err := r.copyBack(ctx, &backs)
	if err == nil {
		err = r.stopAfterwards(ctx, StepSyncBack, true)
	}
	if err != nil && r.state.Step == StepCopyBack {
		return errors.Join(err, r.stayedOnNewRoot(context.WithoutCancel(ctx), err))
	}
	if err == nil {
		err = r.bringBack(ctx, backs)
	}
	if err != nil {
		return errors.Join(err, r.stayOnNewRoot(context.WithoutCancel(ctx), err))
	}
	r.state.StaleOld = false
	return r.undo(context.WithoutCancel(ctx), "rollback was asked for")
}

// copyBack makes warm passes from the new roots to the old ones. From its beginning on the old roots are neither what
// they were nor what the new ones are.
func (r *work) copyBack(ctx context.Context, backs *[]*trees) error {
	s := r.state
	s.Outcome, s.Reason, s.Failed, s.StaleOld = "", "", "", true
	s.Report.Passes, s.Report.Problems = nil, nil
	s.Report.Files, s.Report.Bytes, s.Report.Shared, s.Report.Compared, s.Report.ReadBack, s.Report.VerifyTime = 0, 0, 0, 0, 0, 0
	if err := r.journal.begin(StepCopyBack); err != nil {
		return err
	}
	r.Report.Item(string(StepCopyBack))
	for _, st := range r.stores() {
		t, err := r.open(backwards(st))
		if err != nil {
			return err
		}
		*backs = append(*backs, t)
		if err := t.warm(ctx, "", s.Plan.Options.BytesPerSecond); err != nil {
			return err
		}
	}
	_, err := r.waitForOthers(ctx)
	return err
}

// bringBack copies, with the engine stopped, what has changed since the warm passes, and compares.
func (r *work) bringBack(ctx context.Context, backs []*trees) error {
	r.disconnect()
	if err := r.services.stop(ctx); err != nil {
		return err
	}
	if err := r.services.mask(ctx, r.state.Masked); err != nil {
		return err
	}
	for _, t := range backs {
		if err := waitUnused(ctx, t.store.From); err != nil {
			return err
		}
		if err := t.final(ctx); err != nil {
			return err
		}
		if err := t.verify(ctx, r.state.Plan.Options.Verify, r.state.Plan.ID); err != nil {
			return err
		}
		if err := relocate(t.store.To, t.store, r.state.Plan.Survey.Engine.UserNS); err != nil {
			return err
		}
	}
	return nil
}

// stayedOnNewRoot ends a rollback that has stopped nothing yet.
func (r *work) stayedOnNewRoot(ctx context.Context, why error) error {
	r.state.Reason = fmt.Sprintf("rollback: %v", why)
	return r.end(ctx, Done)
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
	return r.stayedOnNewRoot(ctx, why)
}
