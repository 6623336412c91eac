package engine

import (
	"context"

	"github.com/docker/docker/api/types/container"
)

// Pause freezes the processes of a container.
func (e *Engine) Pause(ctx context.Context, id string) error {
	return e.wrap(e.api.ContainerPause(ctx, id), "pause container %s", id)
}

// Unpause lets a paused container go on.
func (e *Engine) Unpause(ctx context.Context, id string) error {
	return e.wrap(e.api.ContainerUnpause(ctx, id), "unpause container %s", id)
}

// Stop ends a container by its own stop signal and, after its own stop timeout, by
// SIGKILL. A container with AutoRemove is gone afterwards, with its anonymous volumes.
func (e *Engine) Stop(ctx context.Context, id string) error {
	return e.wrap(e.api.ContainerStop(ctx, id, container.StopOptions{}), "stop container %s", id)
}

// Start starts a container; one that runs already is no error.
func (e *Engine) Start(ctx context.Context, id string) error {
	return e.wrap(e.api.ContainerStart(ctx, id, container.StartOptions{}), "start container %s", id)
}

// RemoveContainer removes a container that does not run. Its volumes stay.
func (e *Engine) RemoveContainer(ctx context.Context, id string) error {
	return e.wrap(e.api.ContainerRemove(ctx, id, container.RemoveOptions{}), "remove container %s", id)
}
