package engine

import (
	"context"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// Pause freezes the processes of a container. On a busy machine with cgroup v1, runc gives up on one whose processes
// do not stop within a thousand looks, and lets it run again (libcontainer/cgroups/fs/freezer.go); it is then asked
// again, twice.
func (e *Engine) Pause(ctx context.Context, id string) error {
	for again := 2; ; again-- {
		err := e.api.ContainerPause(ctx, id)
		if err == nil || again == 0 || !strings.Contains(err.Error(), "unable to freeze") {
			return e.wrap(err, "pause container %s", id)
		}
	}
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
