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
// without one nobody knows when it is ready, and a probe is tried for a while: for as long as a container may take where it
// says that this is not its answer yet, by [hook.NotYet].
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

// ask runs the command of a probe until it succeeds, or until it is decided that it does not.
func (r *run) ask(ctx context.Context, w *awaiting, p Probe, c *Check) {
	now := time.Now()
	deadline := now.Add(r.plan.Options.Timeout)
	decided := now.Add(min(r.plan.Options.Patience, r.plan.Options.Timeout))
	until := deadline
	for {
		left := max(time.Until(until), time.Second)
		result := hook.Run(ctx, r.eng, w.id, "probe", p.command, left, r.env.Now)
		if again := c.Result == Fail; again && result.Err != nil && time.Now().After(until) {
			// Cut short, it says nothing; the answer before does.
			c.Detail += "; asked once more, it did not end in time"
			return
		}
		c.Output = strings.TrimSpace(result.Output)
		if result.Err == nil {
			c.passed(p)
			return
		}
		c.Result, c.Detail = Fail, result.Err.Error()
		if w.gone(ctx, result.Code) {
			c.Detail += "; the container has ended"
			return
		}
		notYet := result.Code == hook.NotYet
		if until = decided; notYet {
			until = deadline
		}
		if w.checked && !notYet || time.Now().Add(lookEvery).After(until) || !pause(ctx, lookEvery) {
			return
		}
	}
}

// gone tells whether the container has ended. Its end kills the probe, and is told by the engine a moment later.
func (w *awaiting) gone(ctx context.Context, code int) bool {
	const killed, moments = 128 + 9, 8
	for n := 0; ; n++ {
		s, err := w.look(ctx)
		if err == nil && !s.Running {
			return true
		}
		if err != nil || code != killed || n == moments || !pause(ctx, lookEvery) {
			return false
		}
	}
}

// passed notes that a probe succeeded, with what it found.
func (c *Check) passed(p Probe) {
	c.Result = Pass
	last := c.Output[strings.LastIndexByte(c.Output, '\n')+1:]
	if !strings.HasPrefix(p.From, FromApp) {
		return
	}
	if found, doubtful := strings.CutPrefix(last, "warning: "); doubtful {
		c.Result, last = Warning, found
	}
	c.Detail += ": " + last
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
