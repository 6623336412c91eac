package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"davit/engine/guard"
)

// frozenGroup is a group whose containers are held.
type frozenGroup struct {
	parts []Frozen // thawed last first
	group *Group
}

// heldGroup is how holding a group went.
type heldGroup struct {
	freeze Freeze
	broken string // why the containers did not all stand still; "" when they did
}

// freeze holds the containers of a group: those to be stopped first, which takes longer.
func (r *createRun) freeze(ctx context.Context, g *Group) (*frozenGroup, error) {
	holder, err := r.openHolder()
	if err != nil {
		return nil, err
	}
	if err := r.plan.refresh(ctx, r.env.Engine, g); err != nil {
		return nil, err
	}
	f := &frozenGroup{group: g}
	for _, how := range []struct {
		hold Hold
		mode guard.Mode
	}{{HoldStop, guard.Stop}, {HoldPause, guard.Pause}} {
		targets := r.targets(g, how.hold)
		if len(targets) == 0 {
			continue
		}
		part, err := holder.Freeze(ctx, targets, how.mode)
		if err != nil {
			_, thawErr := f.thaw(ctx, false)
			return nil, errors.Join(fmt.Errorf("%s containers: %w", how.mode, err), thawErr)
		}
		f.parts = append(f.parts, part)
	}
	return f, nil
}

// openHolder makes the run's holder at its first freeze.
func (r *createRun) openHolder() (Holder, error) {
	if r.holder != nil {
		return r.holder, nil
	}
	if r.env.Hold == nil {
		return nil, errors.New("nothing here can hold containers")
	}
	id, err := randomID(r.env.Rand)
	if err != nil {
		return nil, err
	}
	r.holder, err = r.env.Hold(HoldOptions{
		RunID: "backup-" + id, MaxHold: freezeTime(r.plan.Options.MaxFreeze), AllowRMLoss: r.plan.Options.AllowRMLoss,
	})
	return r.holder, err
}

func (r *createRun) targets(g *Group, hold Hold) []guard.Target {
	var list []guard.Target
	for _, m := range g.Containers {
		if m.Hold == hold {
			list = append(list, m.target)
		}
	}
	return list
}

// thaw lets the containers go, also when ctx is done.
func (f *frozenGroup) thaw(ctx context.Context, exceeded bool) (heldGroup, error) {
	var errs []error
	var reasons []string
	var longest time.Duration
	h := heldGroup{freeze: Freeze{Items: f.group.Items, Exceeded: exceeded, Hold: HoldPause, Containers: []string{}}}
	for _, part := range slices.Backward(f.parts) {
		held, err := part.Thaw(ctx)
		if err != nil {
			errs = append(errs, err)
		}
		// Parts lie within each other: the longest is the whole.
		longest = max(longest, held.Duration)
		if held.Expired {
			reasons = append(reasons, "the guard let the containers go")
			h.freeze.Exceeded = true
		}
		if len(held.Disturbed) > 0 {
			reasons = append(reasons, joinNames(held.Disturbed)+" did not stand still")
		}
		h.freeze.Containers = append(h.freeze.Containers, part.Names()...)
	}
	if slices.ContainsFunc(f.group.Containers, func(m Member) bool { return m.Hold == HoldStop }) {
		h.freeze.Hold = HoldStop
	}
	slices.Sort(h.freeze.Containers)
	h.freeze.Seconds = longest.Seconds()
	h.broken = strings.Join(reasons, "; ")
	return h, errors.Join(errs...)
}

func memberNames(g *Group, holds ...Hold) []string {
	var list []string
	for _, m := range g.Containers {
		if slices.Contains(holds, m.Hold) {
			list = append(list, m.Name)
		}
	}
	return list
}

func joinNames(names []string) string { return strings.Join(names, ", ") }
