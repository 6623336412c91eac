package prune

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"davit/engine"
)

// changed says why an object is no longer what the plan says, as the facts at the beginning of the run have it.
func (a *applying) changed(v *Verdict) string {
	o := a.index[v.Ref]
	switch {
	case o == nil:
		return goneAlready
	case saving(a.saving, o):
		return "a backup saves it now"
	case len(o.Pins) > 0:
		return "it is in use now: " + strings.Join(o.Pins, ", ")
	case !slices.Equal(o.Tags, v.Tags):
		return "its tags are others now: " + strings.Join(o.Tags, " ")
	case !o.Arrived.Equal(v.Arrived) && o.Kind != Image:
		return "it was made anew since the plan"
	case o.State != v.State || !o.Ended.Equal(v.Ended):
		return "it ran since the plan was made"
	case hasLabel(o, KeepLabel):
		return "label " + KeepLabel + " protects it now"
	}
	for _, u := range a.users[v.Ref] {
		if !a.gone[u.Ref] && !a.goes[u.Ref] {
			return "it is in use by " + u.title()
		}
	}
	if o.Used.After(a.plan.Made) {
		return "it was used since the plan was made"
	}
	return ""
}

// goneAlready is the reason for what somebody else removed.
const goneAlready = "it is gone already"

// look asks the engine about an object just before its removal, and takes its document. A reason means that it must
// stay.
func (a *applying) look(ctx context.Context, o *Object) (reason string, err error) {
	for _, u := range a.users[o.Ref] {
		if !a.gone[u.Ref] {
			return "it is in use by " + u.title() + ", which stays", nil
		}
	}
	if o.Kind == Cache {
		return "", nil // the engine itself keeps what a build uses
	}
	if reason := a.changes.reason(o); reason != "" {
		return reason, nil
	}
	uses, err := a.changes.containers(ctx)
	if err != nil {
		return "", err
	}
	for _, u := range uses {
		if u.ImageID == o.ID && o.Kind == Image || o.Kind == Volume && slices.Contains(u.Volumes, o.ID) ||
			o.Kind == Network && slices.Contains(u.Networks, o.ID) {
			return "it is in use by container " + u.Name, nil
		}
	}
	reason, err = a.inspect(ctx, o)
	if engine.IsNotFound(err) {
		return goneAlready, nil
	}
	return reason, err
}

func (a *applying) inspect(ctx context.Context, o *Object) (reason string, err error) {
	switch o.Kind {
	case Container:
		c, err := a.env.Engine.InspectContainer(ctx, o.ID)
		o.Raw = c.Raw
		if err == nil && (c.Running || c.Paused || c.Restarting) {
			return "it runs now", nil
		}
		return "", err
	case Image:
		img, err := a.env.Engine.InspectImage(ctx, o.ID)
		o.Raw = img.Raw
		if err == nil && !slices.Equal(real(img.Tags), o.Tags) {
			return "its tags are others now: " + strings.Join(img.Tags, " "), nil
		}
		return "", err
	case Volume:
		v, err := a.env.Engine.InspectVolume(ctx, o.ID)
		if err != nil || o.Path == "" {
			return "", err
		}
		mounts, err := foreignMounts(procFS)
		if err != nil {
			return "", fmt.Errorf("read mounts: %w", err)
		}
		if pid, ok := mounts.user(v.Mountpoint); ok && a.facts.Engine.Local {
			return fmt.Sprintf("process %s has it mounted", pid), nil
		}
		return "", nil
	case Network:
		_, err := a.env.Engine.InspectNetwork(ctx, o.ID)
		return "", err
	}
	return "", nil
}
