package engine

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// ExecSpec is a command that is run in a container.
type ExecSpec struct {
	Cmd  []string
	User string // "" is the container's own
}

// Exec runs a command in a running container, writes what it prints to out (both streams, as they come) and returns its exit
// code. When ctx ends first, its cause is the error, and the command and what it started are killed; only on an
// engine whose processes this one can see, elsewhere they live on.
func (e *Engine) Exec(ctx context.Context, ref string, s ExecSpec, out io.Writer) (int, error) {
	created, err := e.api.ContainerExecCreate(ctx, ref, container.ExecOptions{
		Cmd: s.Cmd, User: s.User, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, e.wrap(err, "run a command in container %s", ref)
	}
	stream, err := e.api.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, e.wrap(err, "run a command in container %s", ref)
	}
	defer stream.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err = stdcopy.StdCopy(out, out, stream.Reader)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		e.killExec(created.ID, ended)
		stream.Close()
		<-ended
		return 0, fmt.Errorf("run a command in container %s: %w", ref, context.Cause(ctx))
	}
	if err != nil {
		return 0, e.wrap(err, "read what a command in container %s prints", ref)
	}
	done, err := e.api.ContainerExecInspect(ctx, created.ID)
	if err != nil {
		return 0, e.wrap(err, "ask how a command in container %s ended", ref)
	}
	return done.ExitCode, nil
}

// killExec ends a command, which the engine has no call for: by its process, when that is one of this host. The engine
// may not know the process yet of a command that has just begun, even when it has printed something.
func (e *Engine) killExec(id string, ended <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	exec, err := e.api.ContainerExecInspect(ctx, id)
	for err == nil && (!exec.Running || exec.Pid <= 0) {
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
			exec, err = e.api.ContainerExecInspect(ctx, id)
		}
	}
	if err != nil {
		return
	}
	if exec.ContainerID != "" {
		killInContainer(exec.Pid, exec.ContainerID)
	}
}
