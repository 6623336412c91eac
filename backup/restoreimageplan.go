package backup

import (
	"context"
	"fmt"
	"slices"

	"davit/backup/archive"
	"davit/backup/repo"
	"davit/engine"
)

// addImages adds images that the engine does not have yet.
func (b *restoreBuilder) addImages(ctx context.Context, items []repo.Item) error {
	var load uint64
	otherStore := false
	for _, it := range items {
		if it.Kind != KindImage {
			continue
		}
		img, err := archive.ParseItem(it.Desc, it.Annotations)
		if err != nil {
			b.refuse(it, err.Error(), "")
			continue
		}
		same := string(img.Kind) == storeKind(b.inv.info)
		step := RestoreStep{
			Action: ActionLoadImage, Kind: KindImage, Name: it.Name, Target: it.Name,
			Bytes: annotatedNumber(it, annBytes, UnknownSize), item: it, image: &img,
		}
		switch holder, tagged := b.taggedImage(it.Name, img); {
		case tagged && (holder.ID == img.ID || !same):
			step.Action = ActionKeep
			step.addNote("there already")
		case tagged:
			b.refuse(it, fmt.Sprintf("tag %s names another image here: %s", it.Name, holder.ID),
				"remove or rename that tag, or leave the image out with --only")
			continue
		default:
			load += uint64(max(step.Bytes, 0))
			otherStore = otherStore || !same
		}
		b.plan.Steps = append(b.plan.Steps, step)
	}
	if otherStore {
		b.note("the images come from an engine with another kind of image store: they get other ids here")
	}
	return b.checkLoadRoom(ctx, load)
}

// taggedImage finds the image that has the item's tag here, or its id when it has none.
func (b *restoreBuilder) taggedImage(name string, img archive.ImageItem) (engine.Image, bool) {
	for _, here := range b.inv.images {
		if slices.Contains(here.Tags, name) || len(img.Tags) == 0 && here.ID == img.ID {
			return here, true
		}
	}
	return engine.Image{}, false
}

// checkLoadRoom makes sure that a local engine has room: engines with a graph driver unpack an archive to
// disk before they make layers of it.
func (b *restoreBuilder) checkLoadRoom(ctx context.Context, load uint64) error {
	if load == 0 || !b.inv.local {
		return nil
	}
	room, err := b.env.Engine.SpoolRoom(ctx)
	if err != nil {
		return fmt.Errorf("look where the engine spools images: %w", err)
	}
	need := load + spoolMargin
	if room.Spools {
		need += load
	}
	if need > room.Free {
		b.plan.Refused = append(b.plan.Refused, Refusal{
			Reason: fmt.Sprintf("no room to load the images: %s are needed in %s, %s are free",
				sizeText(int64(need)), room.Path, sizeText(int64(room.Free))),
			Hint: "free some space there, or load them one by one with --only",
		})
	}
	return nil
}
