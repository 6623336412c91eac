package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"davit/backup"
	"davit/engine"
)

// containers makes all containers and starts those that ran, level by level: what others need is ready before they start.
func (r *run) containers(ctx context.Context) error {
	for _, level := range r.plan.levels {
		for _, c := range level {
			if err := r.make(ctx, c); err != nil {
				return err
			}
		}
	}
	for _, level := range r.plan.levels {
		if err := r.startLevel(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

// make makes a container, and looks whether the engine made of it what was meant: nothing that reaches out. Only what
// keeps the whole drill from going on is an error.
func (r *run) make(ctx context.Context, c *Container) error {
	began, about := r.env.Now(), backup.FormatItem(backup.KindContainer, c.Of)
	id, err := r.create(ctx, c)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case engine.IsUnreachable(err):
		return err
	case errors.Is(err, errMissing):
		r.check(began, Check{Name: "container", About: about, Result: Skip, Detail: err.Error()})
		return nil
	case err != nil:
		r.check(began, Check{Name: "container", About: about, Result: Fail, Detail: err.Error()})
		return nil
	}
	made, err := r.eng.InspectContainer(ctx, id)
	if err != nil {
		return err
	}
	if reach := r.reachesOut(made); len(reach) > 0 {
		r.check(began, Check{Name: "isolation", About: about, Result: Fail, Detail: "not started: it would have " + strings.Join(reach, ", ")})
		return nil
	}
	r.ids[c] = id
	detail := "made from its definition"
	if len(c.Changes) > 0 {
		detail = fmt.Sprintf("made from its definition, with %s to isolate it", count(len(c.Changes), "change"))
	}
	r.check(began, Check{Name: "container", About: about, Result: Pass, Detail: detail})
	return nil
}

// errMissing says that something which a container needs did not come back: that has been told.
var errMissing = errors.New("not made: what it needs did not come back")

func (r *run) create(ctx context.Context, c *Container) (string, error) {
	id, ok := r.imageIDs[r.plan.labels[c.Of].imageID]
	if !ok {
		return "", fmt.Errorf("%w: its image", errMissing)
	}
	for _, m := range c.scratch.mounts {
		if r.broken[m.volume] {
			return "", fmt.Errorf("%w: what is mounted at %s", errMissing, m.target)
		}
	}
	doc, err := c.scratch.document(id, func(volume string) string { return r.mountpoints[volume] })
	if err != nil {
		return "", fmt.Errorf("write definition: %w", err)
	}
	made, warnings, err := r.env.Engine.CreateContainerFromInspect(ctx, doc)
	for _, w := range warnings {
		r.report.Notes = append(r.report.Notes, "container "+c.Of+": "+w)
	}
	return made, err
}

// startLevel starts the containers of a level at once and waits until each is ready, or has failed.
func (r *run) startLevel(ctx context.Context, level []*Container) error {
	var waits []*awaiting
	for _, c := range level {
		id, made := r.ids[c]
		if !made || !c.Start {
			health := "not started"
			result := Skip
			if made {
				result = Pass
			}
			r.report.Containers = append(r.report.Containers, Started{Container: *c, Health: health, Result: result})
			continue
		}
		r.reporter().Item("start " + c.Of)
		w := &awaiting{run: r, container: c, id: id, began: r.env.Now(), started: time.Now()}
		w.deadline = w.started.Add(r.plan.Options.Timeout)
		w.err = r.env.Engine.Start(ctx, id)
		waits = append(waits, w)
	}
	var ready sync.WaitGroup
	for _, w := range waits {
		ready.Go(func() { w.await(ctx) })
	}
	ready.Wait()
	for _, w := range waits {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if engine.IsUnreachable(w.err) {
			return w.err
		}
		r.started(ctx, w)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// started tells how a container came up, and asks its probes.
func (r *run) started(ctx context.Context, w *awaiting) {
	about := backup.FormatItem(backup.KindContainer, w.container.Of)
	s := Started{Container: *w.container, Ready: w.took.Seconds(), Health: w.health, Restarts: w.restarts, Result: Pass}
	c := Check{Name: "start", About: about, Result: Pass, Detail: w.health + " after " + span(s.Ready)}
	if w.restarts > 0 {
		c.Detail += fmt.Sprintf(", started again %s as its restart policy would", count(w.restarts, "time"))
	}
	if w.err != nil {
		s.Result, c.Result, c.Detail = Fail, Fail, w.err.Error()
		c.Output = r.lastWords(ctx, w.id)
	}
	r.check(w.began, c)
	for _, p := range w.container.Probes {
		if !r.probe(ctx, w, p) {
			s.Result = Fail
			if last := r.lastWords(ctx, w.id); last != "" {
				r.report.Checks[len(r.report.Checks)-1].addOutput("the container printed last:\n" + last)
			}
		}
	}
	r.report.Containers = append(r.report.Containers, s)
}

func (c *Check) addOutput(text string) {
	if c.Output != "" {
		c.Output += "\n"
	}
	c.Output += text
}

// lastLines is how much of a failed container's log is kept.
const lastLines = 30

func (r *run) lastWords(ctx context.Context, id string) string {
	const longest = 8 << 10
	var out bytes.Buffer
	if err := r.eng.Tail(ctx, id, lastLines, &out); err != nil {
		return err.Error()
	}
	text := strings.ToValidUTF8(out.String(), "�")
	if len(text) > longest {
		text = "…" + strings.ToValidUTF8(text[len(text)-longest:], "")
	}
	return strings.TrimSpace(text)
}
