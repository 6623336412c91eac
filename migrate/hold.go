package migrate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"davit/engine"
	"davit/engine/service"
)

// hold sees to it that the engine starts nothing by itself until everything was compared, and that a reboot in between
// leaves nothing undone.
func (r *work) hold(ctx context.Context) error {
	units, err := r.services.units(ctx)
	if err != nil {
		return err
	}
	r.state.BootUnit = true
	if err := r.journal.save(); err != nil {
		return err
	}
	if err := installBootUnit(ctx, r.Manager, r.Exe, r.StateDir, units); err != nil {
		return err
	}
	if err := r.asPlanned(ctx); err != nil {
		return err
	}
	if _, err := r.waitForOthers(ctx); err != nil { // who began just now
		return err
	}
	all, err := r.engine.Containers(ctx)
	if err != nil {
		return err
	}
	if err := r.mayStop(all); err != nil {
		return err
	}
	ran, err := running(all) // for a reboot before they are stopped: their policies will not start them then
	if err != nil {
		return err
	}
	r.remember(ran)
	return r.holdThese(ctx, all)
}

// holdThese sets the policies of containers that have one.
func (r *work) holdThese(ctx context.Context, all []engine.Container) error {
	if r.state.Plan.Options.NoHold {
		return nil
	}
	found, err := toHold(all)
	if err != nil {
		return err
	}
	known := len(r.state.Held)
	for _, h := range found { // those that are in the journal may not have been changed yet
		if !slices.ContainsFunc(r.state.Held, func(g Held) bool { return g.ID == h.ID }) {
			r.state.Held = append(r.state.Held, h)
		}
	}
	if len(r.state.Held) > known {
		if err := r.journal.save(); err != nil {
			return err
		}
	}
	for _, h := range found {
		err := r.engine.SetRestartPolicy(ctx, h.ID, engine.RestartPolicy{Name: "no"})
		if err != nil && !engine.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// stopRounds is how often is looked for containers that somebody has started meanwhile.
const stopRounds = 5

// stopContainers stops whatever runs, and takes the inventory of what is to be found again.
func (r *work) stopContainers(ctx context.Context) error {
	for round := range stopRounds {
		all, err := r.engine.Containers(ctx)
		if err != nil {
			return err
		}
		if round == 0 {
			r.forgetEnded(all)
		}
		if err := r.mayStop(all); err != nil {
			return err
		}
		if err := r.holdThese(ctx, all); err != nil {
			return err
		}
		ran, err := running(all)
		if err != nil {
			return err
		}
		if len(ran) == 0 {
			return r.takeInventory(ctx)
		}
		r.remember(ran)
		if err := r.journal.save(); err != nil {
			return err
		}
		r.Report.Say("stopping " + names(ran))
		if err := stopAll(ctx, r.engine, ran); err != nil {
			return err
		}
	}
	return fmt.Errorf("stop containers: somebody keeps starting them")
}

// remember adds containers to those that are started again.
func (r *work) remember(ran []Ran) {
	for _, c := range ran {
		if !slices.ContainsFunc(r.state.Ran, func(k Ran) bool { return k.ID == c.ID }) {
			r.state.Ran = append(r.state.Ran, c)
		}
	}
	r.state.Report.Stopped = len(r.state.Ran)
}

// mayStop looks for containers that a stop would delete.
func (r *work) mayStop(all []engine.Container) error {
	if r.state.Plan.Options.AllowRmLoss {
		return nil
	}
	var lost []string
	for _, c := range all {
		if c.Running && c.AutoRemove {
			lost = append(lost, c.Name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return &service.LossError{Containers: lost}
}

// takeInventory waits for containers that are being deleted, forgets them, and lists everything else.
func (r *work) takeInventory(ctx context.Context) error {
	for {
		all, err := r.engine.Containers(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(c engine.Container) bool {
			return c.AutoRemove && slices.ContainsFunc(r.state.Ran, func(k Ran) bool { return k.ID == c.ID })
		}) {
			r.state.Ran = slices.DeleteFunc(r.state.Ran, func(k Ran) bool {
				return !slices.ContainsFunc(all, func(c engine.Container) bool { return k.ID == c.ID })
			})
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
	var err error
	r.state.Inventory, err = takeInventory(ctx, r.engine, r.stores())
	if err != nil {
		return err
	}
	r.state.Report.Containers = r.state.Inventory.Count("container")
	return r.journal.save()
}
