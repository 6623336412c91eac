package engine

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// Event is something that happened to an object of the engine.
type Event struct {
	Kind   string // container, image, volume or network
	Action string // "create", "start", "pull", "tag"…
	ID     string // of the object; of images it may be a name, volumes have no other
	Name   string // "" where the engine tells none
	Sec    int64  // when, in seconds since 1970
}

// Events calls visit for what happens to objects of some kinds from now on, in order, until ctx ends or the engine goes
// away. ready is called once events are received. actions narrows them down; none means all.
func (e *Engine) Events(ctx context.Context, kinds, actions []string, ready func(), visit func(Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := filters.NewArgs()
	for _, kind := range kinds {
		args.Add("type", kind)
	}
	for _, action := range actions {
		args.Add("event", action)
	}
	messages, errs := e.api.Events(ctx, events.ListOptions{Filters: args})
	ready()
	for {
		select {
		case m := <-messages:
			if !slices.Contains(kinds, string(m.Type)) {
				continue
			}
			event := Event{Kind: string(m.Type), Action: string(m.Action), ID: m.Actor.ID, Name: m.Actor.Attributes["name"], Sec: m.Time}
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
