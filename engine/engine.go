package engine

import (
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// Engine is a connection to one Docker Engine. It is made by [Connect] and ended by
// Close. Its methods may be used from several goroutines.
type Engine struct {
	api      *client.Client
	endpoint string
	ssh      *sshDialer // nil when it is not reached over ssh

	reference reference // but for the endpoint
}

// Close lets go of idle connections. Streams that were handed out live on.
func (e *Engine) Close() error { return e.api.Close() }

// Endpoint is the engine's address, "unix:///var/run/docker.sock".
func (e *Engine) Endpoint() string { return e.endpoint }

// IsNotFound tells that the engine has no such object.
func IsNotFound(err error) bool { return cerrdefs.IsNotFound(err) }

// IsUnreachable tells that no engine answered.
func IsUnreachable(err error) bool {
	var gone *UnreachableError
	return errors.As(err, &gone)
}

// IsConflict tells that the engine refuses because of the state or the use of an object:
// a name that is taken, a volume in use.
func IsConflict(err error) bool { return cerrdefs.IsConflict(err) }

// wrap names what was tried. That the engine is gone meanwhile is told as it is when it
// cannot be reached at the start.
func (e *Engine) wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	if client.IsErrConnectionFailed(err) {
		err = e.diagnose(err)
	}
	var gone *UnreachableError
	if errors.As(err, &gone) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
