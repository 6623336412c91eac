package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"davit/engine"
	"davit/engine/guard"
)

// atOnce is how many containers are stopped or started at the same time.
const atOnce = 8

// held lists the containers that have to be held, with their policies.
func toHold(all []engine.Container) ([]Held, error) {
	var found []Held
	for _, c := range all {
		if c.AutoRemove || c.Swarm { // the first has no policy, and an engine in a swarm decides about the second
			continue
		}
		p, err := c.RestartPolicy()
		if err != nil {
			return nil, err
		}
		if p.Restarts() {
			found = append(found, Held{ID: c.ID, Name: c.Name, Policy: p})
		}
	}
	return found, nil
}

// running lists the containers that run, with the order in which they may be stopped.
func running(all []engine.Container) ([]Ran, error) {
	var targets []guard.Target
	ran := map[string]Ran{}
	for _, c := range all {
		if !c.Running && !c.Restarting {
			continue
		}
		t, health, err := guard.TargetOf(c)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
		ran[c.ID] = Ran{ID: c.ID, Name: c.Name, Paused: c.Paused, Health: health}
	}
	var found []Ran
	for level, group := range guard.StopOrder(targets) {
		for _, t := range group {
			r := ran[t.ID]
			r.Level = level
			found = append(found, r)
		}
	}
	return found, nil
}

// levels groups containers by their level, the first to be stopped first.
func levels(ran []Ran) [][]Ran {
	var groups [][]Ran
	for _, r := range ran {
		for len(groups) <= r.Level {
			groups = append(groups, nil)
		}
		groups[r.Level] = append(groups[r.Level], r)
	}
	return groups
}

// each calls f for every container, a few at the same time, and joins what went wrong.
func each(ran []Ran, f func(Ran) error) error {
	errs := make([]error, len(ran))
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i, r := range ran {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = f(r)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stopAll stops containers level by level. One that is gone is stopped.
func stopAll(ctx context.Context, e Engine, ran []Ran) error {
	for _, level := range levels(ran) {
		err := each(level, func(r Ran) error {
			if err := e.Stop(ctx, r.ID); err != nil && !engine.IsNotFound(err) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// startAll starts containers again in the opposite order, and pauses those that were. It goes on after a failure.
func startAll(ctx context.Context, e Engine, ran []Ran) (started int, err error) {
	groups := levels(ran)
	slices.Reverse(groups)
	var mu sync.Mutex
	var errs []error
	for _, level := range groups {
		errs = append(errs, each(level, func(r Ran) error {
			if err := startOne(ctx, e, r); err != nil {
				return err
			}
			mu.Lock()
			started++
			mu.Unlock()
			return nil
		}))
	}
	return started, errors.Join(errs...)
}

func startOne(ctx context.Context, e Engine, r Ran) error {
	if r.Paused { // started by one that died, it cannot be started
		if c, err := e.InspectContainer(ctx, r.ID); err == nil && c.Paused {
			return nil
		}
	}
	if err := e.Start(ctx, r.ID); err != nil {
		return fmt.Errorf("start container %s again: %w", r.Name, err)
	}
	if !r.Paused {
		return nil
	}
	c, err := e.InspectContainer(ctx, r.ID)
	if err != nil || c.Paused {
		return err
	}
	return e.Pause(ctx, r.ID)
}

// letGo gives containers their policies back. One that is gone needs none.
func letGo(ctx context.Context, e Engine, held []Held) error {
	var errs []error
	for _, h := range held {
		if err := e.SetRestartPolicy(ctx, h.ID, h.Policy); err != nil && !engine.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// names joins the containers' names.
func names(ran []Ran) string {
	var all []string
	for _, r := range ran {
		all = append(all, r.Name)
	}
	return strings.Join(all, ", ")
}
