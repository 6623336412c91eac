package engine

import (
	"context"
	"io"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// LabelDrill marks what a restore rehearsal makes, with the id of its run: none of it is the host's own.
const LabelDrill = "davit.drill"

// DrillTags is how the tags begin under which such a rehearsal loads images.
const DrillTags = "davit-drill/"

// EndContainer kills a container and removes it with its anonymous volumes. One that is gone, or is going, is no error.
func (e *Engine) EndContainer(ctx context.Context, id string) error {
	err := e.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if IsNotFound(err) || IsConflict(err) {
		return nil
	}
	return e.wrap(err, "remove container %s", id)
}

// Tail writes the last lines that a container printed, both streams as they came.
func (e *Engine) Tail(ctx context.Context, id string, lines int, out io.Writer) error {
	c, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return e.wrap(err, "inspect container %s", id)
	}
	stream, err := e.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines)})
	if err != nil {
		return e.wrap(err, "read the log of container %s", id)
	}
	defer stream.Close()
	if c.Config != nil && c.Config.Tty {
		_, err = io.Copy(out, stream)
	} else {
		_, err = stdcopy.StdCopy(out, out, stream)
	}
	return e.wrap(err, "read the log of container %s", id)
}
