package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"davit/engine"
)

const (
	// settled is how long a container without a health check has to run before it counts as ready.
	settled = 2 * time.Second
	// lookEvery is how often a container is looked at, and a probe tried again.
	lookEvery = 250 * time.Millisecond
	// againAfter is how long a container that ended stays so before it is started again.
	againAfter = time.Second
)

// awaiting is a container that is on its way up.
type awaiting struct {
	run       *run
	container *Container
	id        string
	began     time.Time
	started   time.Time // as began, by the clock that deadline is of
	deadline  time.Time

	checked  bool // it has a health check
	health   string
	restarts int
	took     time.Duration
	err      error // why it is not ready
}

// state is what an inspect document says of how a container is.
type state struct {
	Status    string
	Running   bool
	ExitCode  int
	OOMKilled bool
	Error     string
	StartedAt time.Time
	Health    *struct {
		Status string
		Log    []struct{ Output string }
	}
}

func stateOf(c engine.Container) (state, error) {
	var doc struct{ State state }
	if err := json.Unmarshal(c.Raw, &doc); err != nil {
		return state{}, fmt.Errorf("read state of container %s: %w", c.Name, err)
	}
	return doc.State, nil
}

// await waits until the container is ready: its health check says so, or, without one, it has run for a while.
func (w *awaiting) await(ctx context.Context) {
	defer func() { w.took = w.run.env.Now().Sub(w.began) }()
	if w.err != nil {
		w.health = "not started"
		return
	}
	running := time.Now()
	for w.err == nil {
		s, err := w.look(ctx)
		if err != nil {
			w.err = err
			return
		}
		switch {
		case !s.Running:
			running = w.ended(ctx, s)
		case s.Health != nil && s.Health.Status == "healthy":
			w.checked, w.health = true, "healthy"
			return
		case s.Health == nil && time.Since(running) >= settled:
			w.health = "running"
			return
		case time.Now().After(w.deadline):
			w.late(s)
		}
		if !pause(ctx, lookEvery) {
			w.err = context.Cause(ctx)
		}
	}
}

func (w *awaiting) look(ctx context.Context) (state, error) {
	c, err := w.run.eng.InspectContainer(ctx, w.id)
	if err != nil {
		return state{}, err
	}
	return stateOf(c)
}

// ended starts a container that has ended once more, when its restart policy would have and it has not done so for long.
func (w *awaiting) ended(ctx context.Context, s state) (since time.Time) {
	w.health = "exited"
	why := fmt.Errorf("it ended with exit code %d", s.ExitCode)
	switch {
	case s.OOMKilled:
		why = fmt.Errorf("it ran out of memory: %w", why)
	case s.Error != "":
		why = fmt.Errorf("%w: %s", why, s.Error)
	}
	if !w.container.restarts || time.Now().Add(againAfter).After(w.patience()) || !pause(ctx, againAfter) {
		w.err = why
		return
	}
	w.restarts++
	w.err = w.run.env.Engine.Start(ctx, w.id)
	return time.Now()
}

// patience is until when a container that ends is started again.
func (w *awaiting) patience() time.Time {
	if decided := w.started.Add(w.run.plan.Options.Patience); decided.Before(w.deadline) {
		return decided
	}
	return w.deadline
}

// late gives up on a container that runs and does not get ready.
func (w *awaiting) late(s state) {
	w.health, w.err = "running", fmt.Errorf("it was not ready within %v", w.run.plan.Options.Timeout)
	if s.Health == nil {
		return
	}
	w.health = s.Health.Status
	last := ""
	if n := len(s.Health.Log); n > 0 {
		last = ": " + s.Health.Log[n-1].Output
	}
	w.err = fmt.Errorf("its health check was %s after %v%s", s.Health.Status, w.run.plan.Options.Timeout, last)
}

// pause waits; it returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
