package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"davit/engine"
)

// defaultStopTimeout is the engine's, for containers that do not say.
const defaultStopTimeout = 10 * time.Second

// Of makes a connection to a real engine usable by the guard.
func Of(e *engine.Engine) Engine { return adapter{e} }

type adapter struct{ e *engine.Engine }

func (a adapter) Inspect(ctx context.Context, ref string) (State, error) {
	c, err := a.e.InspectContainer(ctx, ref)
	if engine.IsNotFound(err) {
		return State{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return State{}, err
	}
	return stateOf(c)
}

func (a adapter) ByService(ctx context.Context, project, service string) ([]State, error) {
	all, err := a.e.Containers(ctx)
	if err != nil {
		return nil, err
	}
	var found []State
	for _, c := range all {
		if c.Project != project || c.Service != service {
			continue
		}
		s, err := stateOf(c)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

func (a adapter) Pause(ctx context.Context, id string) error   { return conflict(a.e.Pause(ctx, id)) }
func (a adapter) Unpause(ctx context.Context, id string) error { return a.e.Unpause(ctx, id) }
func (a adapter) Stop(ctx context.Context, id string) error    { return conflict(a.e.Stop(ctx, id)) }
func (a adapter) Start(ctx context.Context, id string) error   { return a.e.Start(ctx, id) }

func conflict(err error) error {
	if engine.IsConflict(err) {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}

// stateOf takes what the guard needs from an inspected container.
func stateOf(c engine.Container) (State, error) {
	var doc struct {
		State      struct{ StartedAt time.Time }
		Config     struct{ StopTimeout *int }
		HostConfig struct {
			NetworkMode, IpcMode, PidMode string
			RestartPolicy                 struct{ Name string }
		}
	}
	if err := json.Unmarshal(c.Raw, &doc); err != nil {
		return State{}, errors.Join(fmt.Errorf("inspect container %s", c.Name), err)
	}
	s := State{
		Target: Target{ID: c.ID, Name: c.Name, Project: c.Project, Service: c.Service,
			Number: c.Labels["com.docker.compose.container-number"], DependsOn: c.DependsOn},
		Running: c.Running, Paused: c.Paused, Restarting: c.Restarting,
		AutoRemove: c.AutoRemove, Swarm: c.Swarm, StartedAt: doc.State.StartedAt, StopTimeout: defaultStopTimeout,
	}
	policy := doc.HostConfig.RestartPolicy.Name
	s.Restarts = policy != "" && policy != "no"
	if t := doc.Config.StopTimeout; t != nil {
		s.StopTimeout = time.Duration(*t) * time.Second
	}
	s.DependsOn = append(s.DependsOn, shared(doc.HostConfig.NetworkMode, doc.HostConfig.IpcMode, doc.HostConfig.PidMode)...)
	return s, nil
}

// TargetOf is a container as [StopOrder] sorts it, and what its health check said last: "" without one.
func TargetOf(c engine.Container) (t Target, health string, err error) {
	s, err := stateOf(c)
	if err != nil {
		return Target{}, "", err
	}
	var doc struct {
		State struct{ Health *struct{ Status string } }
	}
	if err := json.Unmarshal(c.Raw, &doc); err != nil {
		return Target{}, "", errors.Join(fmt.Errorf("inspect container %s", c.Name), err)
	}
	if h := doc.State.Health; h != nil {
		health = h.Status
	}
	return s.Target, health, nil
}

// shared lists the containers whose namespaces are joined: those must run first.
func shared(modes ...string) []string {
	var refs []string
	for _, m := range modes {
		if ref, ok := strings.CutPrefix(m, "container:"); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}
