package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"davit/engine"
)

func (r *restoreRun) createNetwork(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) error {
	raw, _, err := readDefinition(ctx, r.env.Repo, step.item.Desc)
	if err != nil {
		return err
	}
	rep.Result, err = r.env.Engine.CreateNetwork(ctx, raw)
	return err
}

func (r *restoreRun) createContainer(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) error {
	raw, _, err := readDefinition(ctx, r.env.Repo, step.item.Desc)
	if err != nil {
		return err
	}
	if raw, err = engine.NameReferences(raw, step.names); err != nil {
		return err
	}
	if step.left != "" {
		if err := r.env.Engine.RemoveContainer(ctx, step.left); err != nil {
			return err
		}
	}
	if err := r.journal.mark(step.item, step.Target, ""); err != nil {
		return err
	}
	id, warnings, err := r.env.Engine.CreateContainerFromInspect(ctx, raw)
	if step.begun && engine.IsConflict(err) {
		if err = r.removeUnfinished(ctx, step, raw, err); err != nil {
			return err
		}
		id, warnings, err = r.env.Engine.CreateContainerFromInspect(ctx, raw)
	}
	if err != nil {
		return err
	}
	rep.Result = id
	if err := r.journal.mark(step.item, step.Target, id); err != nil {
		return err
	}
	for _, w := range warnings {
		rep.addNote(w)
	}
	return nil
}

// unfinishedWait is how long the engine may take to end the making of a container that nobody waits for any more.
const unfinishedWait = time.Minute

// removeUnfinished removes a container that an engine was still making for a run that was killed: its name is taken, but it
// is not listed until it is done. Another container of that name stays, and taken is the error.
func (r *restoreRun) removeUnfinished(ctx context.Context, step *RestoreStep, raw json.RawMessage, taken error) error {
	ctx, cancel := context.WithTimeout(ctx, unfinishedWait)
	defer cancel()
	for {
		containers, err := r.env.Engine.Containers(ctx)
		if err != nil {
			return errors.Join(taken, err)
		}
		for _, c := range containers {
			if c.Name != step.Target {
				continue
			}
			if !neverStarted(c) || !sameCommand(c.Raw, raw) {
				return taken
			}
			return r.env.Engine.RemoveContainer(ctx, c.ID)
		}
		select {
		case <-ctx.Done():
			return taken
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (r *restoreRun) startContainer(ctx context.Context, step *RestoreStep) error {
	if r.failed[step.Ref()] {
		return fmt.Errorf("not started: it could not be made")
	}
	return r.env.Engine.Start(ctx, step.Target)
}
