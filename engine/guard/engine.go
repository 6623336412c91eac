package guard

import (
	"context"
	"errors"
	"time"
)

// Engine is what the guard needs of a container engine. All methods may be called from
// several goroutines and end when ctx does.
type Engine interface {
	// Inspect finds a container by id or name; ErrNotFound when there is none.
	Inspect(ctx context.Context, idOrName string) (State, error)
	// ByService lists the containers of one compose service, running or not.
	ByService(ctx context.Context, project, service string) ([]State, error)
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error
	// Stop stops with the container's own signal and timeout, and returns when it has ended.
	Stop(ctx context.Context, id string) error
	// Start starts a stopped container; one that runs already is no error.
	Start(ctx context.Context, id string) error
}

// Connect makes a connection to the engine that [Options.Endpoint] names. An engine that does not answer
// is an error.
type Connect func(ctx context.Context, endpoint string) (Engine, error)

// ErrNotFound is what Engine.Inspect answers for a container that does not exist.
var ErrNotFound = errors.New("no such container")

// ErrConflict is what Pause and Stop answer when the engine refused because of the state
// of the container, and so for certain did nothing.
var ErrConflict = errors.New("state of the container forbids it")

// Target names a container: by id, and by what finds its successor when the id is gone.
type Target struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Project string `json:"project,omitempty"` // compose project
	Service string `json:"service,omitempty"` // compose service
	Number  string `json:"number,omitempty"`  // compose container number, "1"
	// DependsOn names what must run before this container: compose services of the same
	// project, or names or ids of containers (whose network it joins, for instance).
	DependsOn []string `json:"depends_on,omitempty"`
}

// State is a container as the engine sees it now.
type State struct {
	Target
	Running    bool // also while paused or between two restarts, as docker counts
	Paused     bool
	Restarting bool
	AutoRemove bool // --rm: stopping it deletes it, with its anonymous volumes
	Swarm      bool // a task of a swarm service
	Restarts   bool // its restart policy is other than "no"
	// StartedAt is the engine's time of the last start; zero if it never ran.
	StartedAt time.Time
	// StopTimeout is how long the engine waits after the stop signal before it kills;
	// negative for ever.
	StopTimeout time.Duration
}

// Mode is how containers are frozen.
type Mode string

const (
	Pause Mode = "pause" // processes stand still, memory is kept
	Stop  Mode = "stop"  // processes are told to end, and are started again
)
