package prune

import (
	"context"
	"errors"
	"slices"

	"davit/engine"
)

// digestNames gives an image that is back the names it had by digest only, and returns one that it could not be given:
// an engine without containerd's store learns such a name by a pull alone.
func (u *undoing) digestNames(ctx context.Context, o Object) (missing string, err error) {
	img, err := u.engine.InspectImage(ctx, o.ID)
	if err != nil {
		return "", err
	}
	for _, name := range o.Digests {
		if slices.Contains(img.Digests, name) {
			continue
		}
		switch err := u.engine.NameByDigest(ctx, o.ID, name); {
		case errors.Is(err, errors.ErrUnsupported):
			missing = name
		case err != nil:
			return "", err
		}
	}
	return missing, nil
}

// named says what became of an image that is back.
func (u *undoing) named(ctx context.Context, d Deed) {
	missing, err := u.digestNames(ctx, d.Object)
	switch {
	case err != nil && engine.IsNotFound(err):
		u.say(d, false, "it was loaded, and is gone again")
	case err != nil:
		u.say(d, false, "back, but not all of its names: %v", err)
	case missing != "" && len(d.Object.Tags) == 0:
		u.say(d, true, "back, but this engine cannot be told its name %s: that comes with a pull", missing)
	default:
		u.say(d, true, "")
	}
}
