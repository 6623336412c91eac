package prune

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"davit/engine"
)

// layers knows which units images, containers and the build cache hold, and fills in the bytes of those.
type layers interface {
	image(id string) []string
	container(engine.Container) []string
	cache(engine.CacheRecord) []string
	upperDir(container string) string // where the engine does not tell; "" when it is not known
	arrived(id string) time.Time      // zero when it is not known
}

func (r *reading) readLayers(ctx context.Context) {
	switch {
	case r.store != nil:
		r.layers = r.readContainerd(ctx)
	case r.local && r.info.ContainerdStore:
		r.note("bytes are estimates, as the engine tells them: containerd's books cannot be read: %v", r.unread)
		r.layers = r.askLayers(ctx)
	case r.local:
		r.layers = r.readGraph(ctx)
	default:
		r.layers = r.askLayers(ctx)
	}
}

// chain returns the ids of a stack of layers: each names a layer on top of those below it.
func chain(diffIDs []string) []string {
	ids := make([]string, len(diffIDs))
	for i, d := range diffIDs {
		ids[i] = d
		if i > 0 {
			sum := sha256.Sum256([]byte(ids[i-1] + " " + d))
			ids[i] = "sha256:" + hex.EncodeToString(sum[:])
		}
	}
	return ids
}

// stack keeps the units of images for their containers.
type stack struct{ byImage map[string][]string }

func newStack(images []heldImage) *stack {
	s := &stack{byImage: map[string][]string{}}
	for _, img := range images {
		for _, id := range chain(img.DiffIDs) {
			s.byImage[img.ID] = append(s.byImage[img.ID], "layer:"+id)
		}
	}
	return s
}

func (s *stack) image(id string) []string { return slices.Clone(s.byImage[id]) }

func (s *stack) container(c engine.Container) []string {
	return slices.Clone(s.byImage[c.ImageID])
}

func (s *stack) upperDir(string) string { return "" }

func (s *stack) arrived(string) time.Time { return time.Time{} }

// told are layers as an engine far away tells them.
type told struct {
	*stack
	facts *Facts
}

// askLayers takes the bytes of layers from histories. Where an image has layers without bytes, its history does not say
// which ones these are: its bytes then count for its lowest layers, and the sum of the image is right.
func (r *reading) askLayers(ctx context.Context) layers {
	t := told{newStack(r.images), r.facts}
	for _, img := range r.images {
		sizes, err := r.engine.LayerSizes(ctx, img.ID)
		if err != nil {
			r.note("layers of image %s: %v", shortID(img.ID), err)
			continue
		}
		for i, unit := range t.byImage[img.ID] {
			if _, known := r.facts.Units[unit]; i < len(sizes) && !known {
				r.facts.Units[unit] = sizes[i]
			}
		}
	}
	return t
}

func (t told) cache(c engine.CacheRecord) []string { return plainCache(t.facts, c) }

// plainCache counts a record by its size. What it shares with an image is that image's to count.
func plainCache(f *Facts, c engine.CacheRecord) []string {
	unit := "cache:" + c.ID
	if f.Units[unit] = c.Size; c.Shared {
		f.Units[unit] = 0
	}
	return []string{unit}
}
