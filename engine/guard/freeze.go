package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Freeze freezes those of the containers that run and are not paused, and returns when all
// stand still. Before the first it makes sure that a guard waits. What is paused, stopped
// or gone already is left alone, and Thaw will look whether it stayed so.
//
// With Pause all are paused at once; with Stop, level by level of [StopOrder]. It is an
// error, and nothing stays frozen, when one cannot be frozen or when ctx is done; a request
// that is under way is always waited for. Refusals are *AutoRemoveError, *SwarmError and
// *RestartingError, and touch nothing.
func (g *Guard) Freeze(ctx context.Context, eng Engine, containers []Target, mode Mode) (*Frozen, error) {
	states, err := inspectAll(ctx, eng, containers)
	if err != nil {
		return nil, fmt.Errorf("freeze: %w", err)
	}
	f := &Frozen{g: g, eng: eng}
	var active []State
	for _, s := range states {
		if s.Running && !s.Paused {
			active = append(active, s)
		} else {
			f.idle = append(f.idle, s)
		}
	}
	if err := refuse(active, mode, g.o.AllowRMLoss); err != nil {
		return nil, err
	}
	if len(active) == 0 {
		return f, nil
	}
	if f.j, err = g.ready(ctx); err != nil {
		return nil, err
	}
	if err := f.freeze(ctx, active, mode); err != nil {
		_, undo := f.Thaw(ctx)
		return nil, errors.Join(err, undo)
	}
	return f, nil
}

// inspectAll looks at all containers, and leaves out those that are gone.
func inspectAll(ctx context.Context, eng Engine, targets []Target) ([]State, error) {
	all := make([]State, len(targets))
	errs := make([]error, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			all[i], errs[i] = inspect(ctx, eng, t.ID)
			all[i].DependsOn = append(all[i].DependsOn, t.DependsOn...)
		})
	}
	wg.Wait()
	var there []State
	var failed []error
	for i, err := range errs {
		switch {
		case err == nil:
			there = append(there, all[i])
		case !errors.Is(err, ErrNotFound):
			failed = append(failed, err)
		}
	}
	return there, errors.Join(failed...)
}

// freeze freezes level by level: journal, then the deeds of the level at once.
func (f *Frozen) freeze(ctx context.Context, active []State, mode Mode) error {
	for level, states := range levels(active, mode) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("freeze: %w", err)
		}
		deeds, err := f.intend(states, mode, level)
		if err != nil {
			return fmt.Errorf("freeze: %w", err)
		}
		if f.began.IsZero() {
			f.began = f.g.o.Now()
		}
		if err := f.do(ctx, deeds); err != nil {
			return fmt.Errorf("freeze: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	return nil
}

// levels puts what is to be frozen in order: pauses all at once, stops by dependency.
func levels(states []State, mode Mode) [][]State {
	if mode == Pause {
		return [][]State{states}
	}
	byID := map[string]State{}
	var targets []Target
	for _, s := range states {
		byID[s.ID] = s
		targets = append(targets, s.Target)
	}
	var out [][]State
	for _, level := range StopOrder(targets) {
		var l []State
		for _, t := range level {
			l = append(l, byID[t.ID])
		}
		out = append(out, l)
	}
	return out
}

// intend journals the deeds of one level, in one write and one fsync.
func (f *Frozen) intend(states []State, mode Mode, level int) ([]*deed, error) {
	var deeds []*deed
	var records []record
	seq := f.g.next(len(states))
	for i, s := range states {
		hold := f.g.o.MaxHold
		if hold > 0 && mode == Stop {
			hold += max(s.StopTimeout, 0)
		}
		r := record{Op: opIntend, Seq: seq + i, Mode: mode, Target: &s.Target, Level: level,
			Hold: hold, StartedAt: s.StartedAt, StopTimeout: s.StopTimeout}
		records = append(records, r)
		deeds = append(deeds, &deed{seq: r.Seq, mode: mode, target: s.Target, level: level, hold: hold,
			startedAt: s.StartedAt, stopTimeout: s.StopTimeout})
	}
	if err := f.j.append(true, records...); err != nil {
		return nil, err
	}
	f.deeds = append(f.deeds, deeds...)
	return deeds, nil
}

// do does the deeds at once and journals which of them the engine confirmed. A request is
// not broken off: the engine would carry it out all the same.
func (f *Frozen) do(ctx context.Context, deeds []*deed) error {
	ctx = context.WithoutCancel(ctx)
	errs := make([]error, len(deeds))
	var wg sync.WaitGroup
	for i, d := range deeds {
		wg.Go(func() { errs[i] = f.doOne(ctx, d) })
	}
	wg.Wait()
	var did []record
	for _, d := range deeds {
		switch {
		case d.undone:
			did = append(did, record{Op: opUndone, Seq: d.seq, By: byOwner, Outcome: Undid})
		case d.certain:
			did = append(did, record{Op: opDid, Seq: d.seq, StartedAt: d.startedAt})
		}
	}
	if len(did) > 0 {
		// Not fsynced: it serves a guard of this boot, and costs no frozen time.
		errs = append(errs, f.j.append(false, did...))
	}
	return errors.Join(errs...)
}

// doOne freezes one container and looks whether it is frozen. One that ended or was paused
// by somebody else meanwhile is as good, and not ours to thaw.
func (f *Frozen) doOne(ctx context.Context, d *deed) error {
	limit, request := callTimeout, f.eng.Pause
	if d.mode == Stop {
		limit, request = callTimeout+max(d.stopTimeout, 0), f.eng.Stop
		if d.stopTimeout < 0 {
			limit = f.g.o.Limit
		}
	}
	failed := call(ctx, limit, d.target.ID, request)
	d.undone = errors.Is(failed, ErrConflict)
	s, err := inspect(ctx, f.eng, d.target.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case failed != nil || err != nil:
		if err == nil && d.undone && (s.Paused || !s.Running) {
			f.rest(s)
			return nil
		}
		return fmt.Errorf("%s %s: %w", d.mode, d.target.Name, errors.Join(failed, err))
	case s.Running && !s.Paused:
		return fmt.Errorf("%s %s: it runs on", d.mode, d.target.Name)
	}
	d.certain, d.startedAt = true, s.StartedAt
	return nil
}

// rest notes a container that stands still without our doing.
func (f *Frozen) rest(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, s)
}

// Held is how a freeze went.
type Held struct {
	// Duration is from the first request to freeze to the last answer to thaw.
	Duration time.Duration
	// Expired tells that the guard ended the freeze because it lasted too long: what was
	// read meanwhile is not consistent.
	Expired bool
	// Disturbed names containers that somebody else thawed, started, replaced or removed
	// during the freeze: what was read meanwhile is not consistent.
	Disturbed []string
}

// Consistent tells whether all containers stood still for the whole time.
func (h Held) Consistent() bool { return !h.Expired && len(h.Disturbed) == 0 }
