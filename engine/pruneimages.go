package engine

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/image"
)

// AllImages is Images with the steps of builds, which docker hides: untagged images that others were built on.
func (e *Engine) AllImages(ctx context.Context) ([]Image, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{All: true})
	if err != nil {
		return nil, e.wrap(err, "list images")
	}
	ids := make([]string, 0, len(list))
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	slices.Sort(ids)
	return inspectAll(ctx, slices.Compact(ids), e.InspectImage)
}

// RemoveImage removes a reference or, by id, an image that has at most one. Without force: an image in use, or
// with several names, is a conflict. Its parents stay. It returns the ids of the images that went.
func (e *Engine) RemoveImage(ctx context.Context, ref string) (deleted []string, err error) {
	list, err := e.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: false})
	for _, d := range list {
		if d.Deleted != "" {
			deleted = append(deleted, d.Deleted)
		}
	}
	return deleted, e.wrap(err, "remove image %s", ref)
}

// LayerSizes returns the bytes of an image's layers, lowest first, as its history tells them. Steps without content
// are left out; an image with layers of no bytes has fewer sizes than layers then.
func (e *Engine) LayerSizes(ctx context.Context, id string) ([]int64, error) {
	history, err := e.api.ImageHistory(ctx, id)
	if err != nil {
		return nil, e.wrap(err, "read history of image %s", id)
	}
	var sizes []int64
	for _, h := range slices.Backward(history) {
		if h.Size > 0 {
			sizes = append(sizes, h.Size)
		}
	}
	return sizes, nil
}
