package engine

import (
	"context"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// ContainerEvent is something that happened to a container.
type ContainerEvent struct {
	ID, Name string
	Action   string // create, start, die, destroy
	Sec      int64  // when, in seconds since 1970
}

// ContainerEvents calls visit for what happens to containers from now on, in order, until ctx ends or the engine goes
// away. ready is called once events are received.
func (e *Engine) ContainerEvents(ctx context.Context, ready func(), visit func(ContainerEvent) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range []events.Action{events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionDestroy} {
		args.Add("event", string(action))
	}
	messages, errs := e.api.Events(ctx, events.ListOptions{Filters: args})
	ready()
	for {
		select {
		case m := <-messages:
			event := ContainerEvent{ID: m.Actor.ID, Name: m.Actor.Attributes["name"], Action: string(m.Action), Sec: m.Time}
			if err := visit(event); err != nil {
				return err
			}
		case err := <-errs:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return e.wrap(err, "listen to the engine")
		}
	}
}
