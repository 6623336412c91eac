package backup

import (
	"context"
	"errors"
	"fmt"

	"davit/engine"
)

// farTarget is where an agent that restores sees what it fills.
const farTarget = "/tree"

// fillFar restores a step's files into a volume or a folder of another machine, which has to be empty.
func (r *restoreRun) fillFar(ctx context.Context, step *RestoreStep, m engine.AgentMount, rep *RestoreStepReport) (err error) {
	helper, err := r.env.Agents.Start(ctx, []engine.AgentMount{m}, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, helper.Close(context.WithoutCancel(ctx))) }()
	place, err := helper.Open(ctx, m.Target)
	if err != nil {
		return err
	}
	if !place.Empty && step.file == "" {
		if step.Action == ActionCreateVolume && step.spec != nil && !plainSpec(*step.spec) {
			rep.addNote("its device holds data already: left as it is")
			r.report.Problems = append(r.report.Problems, Problem{Item: step.Ref(), Reason: deviceHoldsData})
			return nil
		}
		return fmt.Errorf("%s is not empty", step.Target)
	}
	if err := farRoom(step, place.Free, place.Inodes); err != nil {
		return err
	}
	result, err := place.Restore(ctx, r.env.Repo, step.item.Desc, step.path(), doneOnly{r.env.reporter()})
	if err != nil {
		return err
	}
	r.noteTree(step, result, rep)
	return nil
}

// farRoom looks whether there is room for a step where an agent writes.
func farRoom(step *RestoreStep, free, inodes uint64) error {
	if step.path() != "" {
		return nil // the snapshot tells sizes of whole items only
	}
	bytes := uint64(annotatedNumber(step.item, annStream, 0)) + roomMargin
	entries := uint64(annotatedNumber(step.item, annEntries, 0))
	if bytes > free || entries > inodes && inodes > 0 {
		return fmt.Errorf("no room there: %s and %d inodes are needed, %s and %d are free",
			sizeText(int64(bytes)), entries, sizeText(int64(free)), inodes)
	}
	return nil
}
