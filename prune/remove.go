package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"davit/engine"
)

// remove removes one object by its id, without force.
func (a *applying) remove(ctx context.Context, d *Deed) error {
	e, id := a.env.Engine, d.Object.ID
	switch d.Object.Kind {
	case Container:
		return e.RemoveContainer(ctx, id)
	case Cache:
		return a.removeCache(ctx, id)
	case Image:
		return a.removeImage(ctx, d)
	case Network:
		return e.RemoveNetwork(ctx, id)
	case Volume:
		return e.RemoveVolume(ctx, id)
	}
	return fmt.Errorf("unknown kind %q", d.Object.Kind)
}

func (a *applying) removeCache(ctx context.Context, id string) error {
	_, gone, err := a.env.Engine.RemoveCache(ctx, id)
	if err != nil || gone {
		return err
	}
	left, err := a.env.Engine.BuildCache(ctx)
	if err == nil && slices.ContainsFunc(left, func(r engine.CacheRecord) bool { return r.ID == id }) {
		err = errors.New("the engine keeps it: a build uses it, or another record builds on it")
	}
	return err
}

// removeImage takes an image's names one by one, each only while it means this image, and then what is left of it.
func (a *applying) removeImage(ctx context.Context, d *Deed) error {
	o := &d.Object
	for _, tag := range o.Tags {
		if err := a.untag(ctx, d, tag); err != nil {
			return err
		}
	}
	if there, err := a.there(ctx, o.ID); !there {
		return err
	}
	for i, digest := range o.Digests {
		if i == len(o.Digests)-1 {
			break // the last one goes with the image
		}
		if err := a.untag(ctx, d, digest); err != nil {
			return err
		}
	}
	if there, err := a.there(ctx, o.ID); !there {
		return err
	}
	_, err := a.env.Engine.RemoveImage(ctx, o.ID)
	return err
}

func (a *applying) untag(ctx context.Context, d *Deed, name string) error {
	img, err := a.env.Engine.InspectImage(ctx, name)
	switch {
	case engine.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case img.ID != d.Object.ID:
		return fmt.Errorf("%s means another image now", name)
	}
	if _, err := a.env.Engine.RemoveImage(ctx, name); err != nil {
		return err
	}
	d.Untagged = append(d.Untagged, name)
	return nil
}

func (a *applying) there(ctx context.Context, id string) (bool, error) {
	_, err := a.env.Engine.InspectImage(ctx, id)
	if engine.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
