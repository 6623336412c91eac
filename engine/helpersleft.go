package engine

import (
	"context"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
)

// RemoveHelpers removes the helper containers and images of one run, and agents' images that nobody uses, and returns how
// many containers there were.
func (e *Engine) RemoveHelpers(ctx context.Context, run string) (int, error) {
	if run == "" {
		return 0, nil
	}
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return 0, e.wrap(err, "list containers")
	}
	n := 0
	for _, c := range list {
		if c.Labels[LabelHelper] != run {
			continue
		}
		if err := (&Agent{engine: e, id: c.ID}).remove(ctx); err != nil {
			return n, err
		}
		n++
	}
	images, err := e.Images(ctx)
	if err != nil {
		return n, err
	}
	for _, img := range images {
		if err := e.removeHelperImage(ctx, img, run); err != nil {
			return n, err
		}
	}
	return n, nil
}

// removeHelperImage removes an image if it is one of the run's own, or one that agents run from.
func (e *Engine) removeHelperImage(ctx context.Context, img Image, run string) error {
	if img.Labels[LabelHelper] == run {
		_, err := e.api.ImageRemove(ctx, img.ID, image.RemoveOptions{Force: true})
		if err != nil && !IsNotFound(err) {
			return e.wrap(err, "remove the image of a helper")
		}
		return nil
	}
	for _, tag := range img.Tags {
		if !strings.HasPrefix(tag, agentName+":") {
			continue
		}
		if err := (&AgentImage{engine: e, name: tag}).Close(ctx); err != nil {
			return err
		}
	}
	return nil
}
