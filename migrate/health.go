package migrate

import (
	"context"
	"time"

	"davit/engine/guard"
)

// usualHealthTime is how long containers may take to say that they are healthy.
const usualHealthTime = 2 * time.Minute

// health waits until the containers that ran have said how they are, and tells those that are worse than before.
func (r *work) health(ctx context.Context) {
	limit := r.HealthTime
	if limit == 0 {
		limit = usualHealthTime
	}
	deadline := r.Now().Add(limit)
	for {
		waiting, bad := r.look(ctx)
		if !waiting || r.Now().After(deadline) {
			for _, line := range bad {
				r.problem("%s", line)
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// look looks at all containers once.
func (r *work) look(ctx context.Context) (waiting bool, bad []string) {
	for _, ran := range r.state.Ran {
		c, err := r.engine.InspectContainer(ctx, ran.ID)
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		_, health, err := guard.TargetOf(c)
		switch {
		case err != nil:
			bad = append(bad, err.Error())
		case !c.Running && !c.Restarting:
			bad = append(bad, "container "+ran.Name+" ran before and does not run now")
		case ran.Paused:
		case health == "starting" && ran.Health != "starting":
			waiting = true
			bad = append(bad, "container "+ran.Name+" has not said yet whether it is healthy")
		case health == "unhealthy" && ran.Health != "unhealthy":
			bad = append(bad, "container "+ran.Name+" is not healthy, and was before")
		}
	}
	return waiting, bad
}
