package drill

import (
	"context"
	"strings"
	"time"

	"davit/backup"
	"davit/backup/hook"
	"davit/engine"
)

// probe asks one probe and tells whether it did not fail. A container that a health check has called healthy is asked once;
// without one nobody knows when it is ready, and a probe is tried for as long as a container may take.
func (r *run) probe(ctx context.Context, w *awaiting, p Probe) bool {
	began := r.env.Now()
	c := Check{Name: "probe", About: backup.FormatItem(backup.KindContainer, w.container.Of), Detail: p.Text + " (" + p.From + ")"}
	own, err := r.steers(ctx, w.container.Of, p)
	switch {
	case err != nil:
		c.Result, c.Detail = Fail, c.Detail+": "+err.Error()
	case !own:
		c.Result, c.Detail = Skip, c.Detail+": the label is the image's, not the container's own"
	case w.err != nil:
		c.Result, c.Detail = Skip, c.Detail+": the container did not come up"
	default:
		r.reporter().Item("probe " + w.container.Of)
		r.ask(ctx, w, p, &c)
	}
	r.check(began, c)
	return c.Result != Fail
}

// ask runs the command of a probe until it succeeds, or its time is over.
func (r *run) ask(ctx context.Context, w *awaiting, p Probe, c *Check) {
	deadline := time.Now().Add(r.plan.Options.Timeout)
	for {
		left := max(time.Until(deadline), time.Second)
		result := hook.Run(ctx, r.eng, w.id, "probe", p.command, left, r.env.Now)
		if again := c.Result == Fail; again && result.Err != nil && time.Now().After(deadline) {
			// Cut short, it says nothing; the answer before does.
			c.Detail += "; asked once more, it did not end in time"
			return
		}
		c.Output = strings.TrimSpace(result.Output)
		if result.Err == nil {
			c.Result = Pass
			last := c.Output[strings.LastIndexByte(c.Output, '\n')+1:]
			if strings.HasPrefix(p.From, FromApp) {
				if found, doubtful := strings.CutPrefix(last, "warning: "); doubtful {
					c.Result, last = Warning, found
				}
				c.Detail += ": " + last
			}
			return
		}
		c.Result, c.Detail = Fail, result.Err.Error()
		if w.checked || time.Now().Add(lookEvery).After(deadline) || !pause(ctx, lookEvery) {
			return
		}
		if s, err := w.look(ctx); err != nil || !s.Running {
			c.Detail += "; the container has ended"
			return
		}
	}
}

// steers tells whether a probe counts: one of a label only when the label is the container's own.
func (r *run) steers(ctx context.Context, container string, p Probe) (bool, error) {
	label := strings.TrimPrefix(p.From, "label ")
	if label == p.From {
		return true, nil
	}
	labels := r.plan.labels[container]
	if _, given := labels.given[label]; given {
		return true, nil
	}
	own, err := r.eng.OwnLabels(ctx, engine.Container{Labels: labels.saved, ImageID: r.imageIDs[labels.imageID]})
	_, ok := own[label]
	return ok, err
}
