package migrate

import (
	"context"
	"fmt"
	"strings"

	"davit/engine"
)

// Allowed tells whether an action fits how a migration that has ended stands.
func Allowed(s *State, a Action) error {
	switch {
	case s.Outcome == Committed:
		return fmt.Errorf("migration %s is committed", s.Plan.ID)
	case a == ActionRun && s.Outcome == Done:
		return fmt.Errorf("migration %s is done", s.Plan.ID)
	case a == ActionRun && s.Outcome == RolledBack && s.ContainersStarted && s.Plan.Options.Method != MethodRename:
		return fmt.Errorf("%s has what containers wrote there until the rollback; move to another folder, or delete that one",
			strings.Join(s.New(), ", "))
	case a == ActionRun:
		return nil
	case s.Outcome == RolledBack || s.Outcome == Interrupted:
		return fmt.Errorf("the engine is on the old root already")
	case a == ActionSyncBack && s.Outcome != Done:
		return fmt.Errorf("migration %s is not done", s.Plan.ID)
	case a == ActionRollback && s.StaleOld:
		return fmt.Errorf("the old root was being written to by a rollback that did not end; only another one with --sync-back can use it")
	}
	return nil
}

// LosesWrites tells whether a plain rollback would lose what containers wrote since the move.
func (s *State) LosesWrites() bool {
	return s.Outcome == Done && s.Plan.Options.Method != MethodRename
}

// rollback takes the engine back to the old roots after a migration was done.
func (r *work) rollback(ctx context.Context) error {
	if r.state.Outcome != Done {
		return fmt.Errorf("go back to the old root: the engine is not on the new one")
	}
	err := r.stopAfterwards(ctx, StepUndo, r.state.Plan.Options.Method == MethodRename)
	if err != nil && r.state.Outcome == Done {
		return err // nothing was changed
	}
	if err != nil { // the engine will stop them
		r.problem("%v", err)
	}
	return r.undo(context.WithoutCancel(ctx), "rollback was asked for")
}

// stopAfterwards begins a step of a rollback: it stops what runs on the new root, to be started on the old one. An
// engine that does not run there has nothing to stop. hold is for when policies go along, because the data does: the engine must not start by itself what
// does not run now. Otherwise the old root's containers are held since the move.
func (r *work) stopAfterwards(ctx context.Context, step Step, hold bool) error {
	all, ran, err := r.runsNow(ctx)
	if err != nil {
		return err
	}
	units, err := r.services.units(ctx)
	if err != nil {
		return err
	}
	s := r.state
	s.Outcome, s.Reason, s.Failed = "", "", ""
	s.Ran, s.Masked, s.BootUnit = ran, units, true
	s.Report.DownSince, s.Report.Problems = r.Now().UTC(), nil
	s.Report.EngineStop, s.Report.EngineStart = 0, 0
	r.Report.Down(s.Report.DownSince)
	if hold {
		s.Held = nil
	}
	if err := r.journal.begin(step); err != nil {
		return err
	}
	if err := installBootUnit(ctx, r.Manager, r.Exe, r.StateDir, units); err != nil {
		return err
	}
	if hold {
		if err := r.holdThese(ctx, all); err != nil {
			return err
		}
	}
	if r.engine == nil {
		return nil
	}
	return stopAll(ctx, r.engine, ran)
}

// runsNow lists all containers and those that run, if the engine does. Otherwise it is those that the move started.
func (r *work) runsNow(ctx context.Context) (all []engine.Container, ran []Ran, err error) {
	up, err := r.services.up(ctx)
	if err != nil || !up {
		return nil, r.state.Ran, err
	}
	if err := r.connect(ctx); err != nil {
		return nil, nil, err
	}
	if all, err = r.engine.Containers(ctx); err != nil {
		return nil, nil, err
	}
	if err := r.mayStop(all); err != nil {
		return nil, nil, err
	}
	ran, err = running(all)
	return all, ran, err
}
