package backup

import (
	"context"
	"fmt"

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

func (r *restoreRun) startContainer(ctx context.Context, step *RestoreStep) error {
	if r.failed[step.Ref()] {
		return fmt.Errorf("not started: it could not be made")
	}
	return r.env.Engine.Start(ctx, step.Target)
}
