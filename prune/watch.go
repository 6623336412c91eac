package prune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"davit/engine"
)

// Listener is what Watch asks of an engine.
type Listener interface {
	Reader
	InspectContainer(ctx context.Context, ref string) (engine.Container, error)
	Events(ctx context.Context, kinds, actions []string, ready func(), visit func(engine.Event) error) error
}

// Watch records which images, volumes and networks containers use, until ctx ends: what nobody can find out later, once
// such a container is removed. It ends with an error when the engine goes away; a service manager starts it again.
// ready is called once nothing is missed any more.
func Watch(ctx context.Context, e Listener, state string, now func() time.Time, ready func()) error {
	w := &watch{engine: e, state: state, now: now, needs: map[string][]Ref{}}
	err := e.Events(ctx, []string{"container"}, []string{"create", "start", "die", "destroy"}, func() {
		if w.failed = w.begin(ctx); w.failed == nil {
			ready()
		}
	}, func(event engine.Event) error { return w.event(ctx, event) })
	return errors.Join(w.failed, err)
}

// watch is one run of Watch.
type watch struct {
	engine   Listener
	state    string
	now      func() time.Time
	engineID string
	needs    map[string][]Ref // container -> what it uses
	failed   error
}

// begin takes in what there is.
func (w *watch) begin(ctx context.Context) error {
	facts, err := Read(ctx, w.engine, ReadOptions{Now: w.now})
	if err != nil {
		return err
	}
	w.engineID = facts.Engine.ID
	for i := range facts.Objects {
		if o := &facts.Objects[i]; o.Kind == Container {
			w.needs[o.ID] = o.Needs
		}
	}
	return updateLedger(ledgerFolder(w.state), func(l *Ledger) { l.observe(facts) })
}

func (w *watch) event(ctx context.Context, event engine.Event) error {
	if w.failed != nil {
		return w.failed
	}
	if event.Action == "create" || event.Action == "start" {
		c, err := w.engine.InspectContainer(ctx, event.ID)
		if err != nil && !engine.IsNotFound(err) {
			return err
		}
		if err == nil {
			w.needs[event.ID] = used(c)
		}
	}
	needs := w.needs[event.ID]
	if event.Action == "destroy" {
		delete(w.needs, event.ID)
	}
	if len(needs) == 0 {
		return nil
	}
	how := fmt.Sprintf("container %s: %s", event.Name, event.Action)
	return updateLedger(ledgerFolder(w.state), func(l *Ledger) {
		for _, n := range needs {
			l.see(w.engineID, n, time.Unix(event.Sec, 0).UTC(), how)
		}
	})
}

// used is what a container uses.
func used(c engine.Container) []Ref {
	list := []Ref{{Image, c.ImageID}}
	for _, m := range c.Mounts {
		if m.Type == "volume" && m.Name != "" {
			list = append(list, Ref{Volume, m.Name})
		}
	}
	return list
}
