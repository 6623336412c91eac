package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// run goes through the steps, and undoes them when one before the point of no return does not succeed.
func (r *work) run(ctx context.Context) error {
	r.state.Report = Report{Verify: r.state.Plan.Options.Verify}
	r.state.Reason, r.state.Held, r.state.Ran, r.state.Masked = "", nil, nil, nil
	r.state.Configured, r.state.Renamed, r.state.Inventory = nil, false, nil
	r.state.EngineStarted, r.state.ContainersStarted, r.state.Outcome = false, false, ""
	began := r.Now()
	step, err := r.upToRelease(ctx)
	if err != nil {
		return r.undoFor(ctx, step, err)
	}
	err = r.forward(context.WithoutCancel(ctx))
	r.state.Report.Total = r.Now().Sub(began)
	return errors.Join(err, r.journal.save())
}

// upToRelease is everything that can be undone without a loss.
func (r *work) upToRelease(ctx context.Context) (Step, error) {
	for _, s := range []struct {
		step Step
		do   func(context.Context) error
	}{
		{StepCopy, r.copy},
		{StepHold, r.hold},
		{StepStopContainers, r.stopContainers},
		{StepStopEngine, r.stopEngine},
		{StepSync, r.sync},
		{StepVerify, r.verify},
		{StepConfigure, r.configure},
		{StepStart, r.start},
		{StepCompare, r.compare},
	} {
		if s.step == StepStopContainers {
			r.state.Report.DownSince = r.Now().UTC()
			r.Report.Down(r.state.Report.DownSince)
			if most := r.state.Plan.Options.MaxDowntime; most > 0 {
				limited, cancel := context.WithTimeoutCause(ctx, most, errDowntime)
				defer cancel()
				ctx = limited
			}
		}
		if err := r.journal.begin(s.step); err != nil {
			return s.step, err
		}
		r.Report.Item(string(s.step))
		if err := s.do(ctx); err != nil {
			if ctx.Err() != nil { // which is then why, whatever it was that ended
				err = context.Cause(ctx)
			}
			return s.step, err
		}
		if r.state.ContainersStarted { // not held, they write there: there is no way back without a loss
			ctx = context.WithoutCancel(ctx)
		}
		if ctx.Err() != nil {
			return s.step, context.Cause(ctx)
		}
	}
	return "", nil
}

// copy makes warm passes over all stores, until nobody else has containers in hand.
func (r *work) copy(ctx context.Context) error {
	if err := r.asPlanned(ctx); err != nil {
		return err
	}
	r.disconnect() // it may take hours
	for {
		if err := r.warmPasses(ctx); err != nil {
			return err
		}
		if waited, err := r.waitForOthers(ctx); err != nil || !waited {
			return err
		}
	}
}

func (r *work) warmPasses(ctx context.Context) error {
	if r.state.Plan.Options.Method == MethodRename {
		return nil
	}
	for _, s := range r.stores() {
		t, err := r.open(s)
		if err != nil {
			return err
		}
		err = t.warm(ctx, r.passFile(s.Name), r.state.Plan.Options.BytesPerSecond)
		t.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// stopEngine stops and masks the units, and makes sure that nothing works on the old roots.
func (r *work) stopEngine(ctx context.Context) error {
	units, err := r.services.units(ctx)
	if err != nil {
		return err
	}
	r.state.Masked = units
	if err := r.journal.save(); err != nil {
		return err
	}
	r.disconnect()
	began := r.Now()
	if err := r.services.stop(ctx); err != nil {
		return err
	}
	if err := r.services.mask(ctx, units); err != nil {
		return err
	}
	r.state.Report.EngineStop = r.Now().Sub(began)
	for _, s := range r.stores() {
		if err := waitUnused(ctx, s.From); err != nil {
			return err
		}
	}
	return nil
}

// sync brings the new roots up to date.
func (r *work) sync(ctx context.Context) error {
	if r.state.Plan.Options.Method == MethodRename {
		return r.rename()
	}
	for _, s := range r.stores() {
		t, err := r.open(s)
		if err != nil {
			return err
		}
		t.loadPass(r.passFile(s.Name))
		err = t.final(ctx)
		t.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// verify compares old and new roots, unless there is only one.
func (r *work) verify(ctx context.Context) error {
	if r.state.Plan.Options.Method == MethodRename {
		return nil
	}
	for _, s := range r.stores() {
		t, err := r.open(s)
		if err != nil {
			return err
		}
		err = t.verify(ctx, r.state.Plan.Options.Verify, r.state.Plan.ID)
		t.close()
		if err != nil {
			return err
		}
	}
	return r.stillDown(ctx)
}

func (r *work) configure(ctx context.Context) error {
	if err := r.configAsPlanned(); err != nil {
		return err
	}
	r.journal.release() // what is written next may need the room
	c, err := newConfig(&r.state.Plan)
	if err != nil {
		return err
	}
	r.state.Configured = c
	if err := r.journal.save(); err != nil {
		return err
	}
	for _, s := range r.stores() {
		if err := relocate(s.To, s, r.state.Plan.Survey.Engine.UserNS); err != nil {
			return err
		}
	}
	return c.apply(ctx, r.Manager)
}

// start has the engine run on the new roots.
func (r *work) start(ctx context.Context) error {
	if err := r.dropPasses(); err != nil {
		return err
	}
	r.state.EngineStarted = true
	r.state.ContainersStarted = r.state.Plan.Options.NoHold
	if err := r.journal.save(); err != nil {
		return err
	}
	if err := r.services.unmask(ctx, r.state.Masked); err != nil {
		return err
	}
	if err := r.state.Configured.check(ctx, r.Manager); err != nil {
		return err
	}
	if err := r.services.checkConfig(ctx); err != nil {
		return err
	}
	began := r.Now()
	if err := r.services.start(ctx); err != nil {
		return err
	}
	r.state.Report.EngineStart = r.Now().Sub(began)
	return r.connect(ctx)
}

// InventoryError means that the engine does not have on the new root what it had on the old one.
type InventoryError struct{ Differences []string }

func (e *InventoryError) Error() string {
	return fmt.Sprintf("the engine has %d things that are not as before, the first: %s", len(e.Differences), e.Differences[0])
}

// compare looks whether the engine has everything that it had. When containers run there already, to undo it would lose
// what they wrote: what differs is a problem then, and no error.
func (r *work) compare(ctx context.Context) error {
	err := r.compareInventories(ctx)
	if err != nil && r.state.ContainersStarted {
		r.problem("%v", err)
		return nil
	}
	return err
}

func (r *work) compareInventories(ctx context.Context) error {
	is, err := takeInventory(ctx, r.engine, r.stores())
	if err != nil {
		return err
	}
	differences := r.state.Inventory.differences(is)
	if s, ok := r.state.Plan.store("data-root"); ok {
		info, err := r.engine.Info(ctx)
		if err != nil {
			return err
		}
		if want := endsUp(s, r.state.Plan.Survey.Engine); info.DataRoot != want {
			differences = append(differences, fmt.Sprintf("the data-root is %s, not %s", info.DataRoot, want))
		}
	}
	if len(differences) == 0 {
		return nil
	}
	return &InventoryError{Differences: differences}
}

// upAgain ends the time for which the containers are down.
func (r *work) upAgain() {
	report := &r.state.Report
	if !report.DownSince.IsZero() {
		report.Downtime = r.Now().Sub(report.DownSince).Round(time.Millisecond)
	}
	report.DownSince = time.Time{}
	r.Report.Down(time.Time{})
}

// forward is everything after the point of no return. It can be repeated.
func (r *work) forward(ctx context.Context) error {
	r.state.ContainersStarted = true
	if err := r.journal.begin(StepRelease); err != nil {
		return err
	}
	r.Report.Item(string(StepRelease))
	if err := letGo(ctx, r.engine, r.state.Held); err != nil {
		r.problem("%v", err)
	}
	r.stopAgain(ctx)
	started, err := startAll(ctx, r.engine, r.state.Ran)
	if err != nil {
		r.problem("%v", err)
	}
	report := &r.state.Report
	report.Started = started
	r.upAgain()
	if err := r.journal.begin(StepHealth); err != nil {
		return err
	}
	r.Report.Item(string(StepHealth))
	r.health(ctx)
	if err := r.end(ctx, Done); err != nil {
		return err
	}
	if len(report.Problems) > 0 {
		return &PartialError{Problems: report.Problems}
	}
	return nil
}
