package backup

import (
	"context"
	"errors"

	"davit/engine"
)

// createVolume makes a volume and fills it. When that fails the volume is removed again.
func (r *restoreRun) createVolume(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) (err error) {
	v, err := r.env.Engine.CreateVolume(ctx, *step.spec)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.env.Engine.RemoveVolume(context.WithoutCancel(ctx), v.Name))
		}
	}()
	if step.far || step.copied {
		return r.fillElsewhere(ctx, step, v, rep)
	}
	if plainLocal(v) {
		return r.fillPlain(ctx, step, v, rep)
	}
	if v.Options["type"] == "tmpfs" {
		rep.addNote("it lives in memory: made empty")
		return nil
	}
	return r.fillDevice(ctx, step, v.Name, rep)
}

// deviceHoldsData is what is told of a volume whose device was not empty.
const deviceHoldsData = "its device holds data already, which was left as it is; --to DIR writes the snapshot's files elsewhere"

// fillDevice fills a volume that has to be mounted, unless its device holds data: then the volume
// is there again with all it had, and there is nothing to restore over.
func (r *restoreRun) fillDevice(ctx context.Context, step *RestoreStep, volume string, rep *RestoreStepReport) (err error) {
	helper, err := r.env.mount(ctx, volume)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, helper.Close(context.WithoutCancel(ctx))) }()
	empty, err := absentOrEmpty(helper.Path)
	if err != nil {
		return err
	}
	if !empty {
		rep.addNote("its device holds data already: left as it is")
		r.report.Problems = append(r.report.Problems, Problem{
			Item: step.Ref(), Reason: deviceHoldsData,
		})
		return nil
	}
	return r.fill(ctx, step, helper.Path, rep)
}

// fillVolume fills a volume that exists and was empty when the plan was made.
func (r *restoreRun) fillVolume(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) error {
	v, err := r.env.Engine.InspectVolume(ctx, step.Target)
	if err != nil {
		return err
	}
	if step.far || step.copied {
		return r.fillElsewhere(ctx, step, v, rep)
	}
	return r.fillPlain(ctx, step, v, rep)
}

// fillElsewhere fills a volume of another machine.
func (r *restoreRun) fillElsewhere(ctx context.Context, step *RestoreStep, v engine.Volume, rep *RestoreStepReport) error {
	if step.copied {
		return r.fillCopied(ctx, step, v.Name, rep)
	}
	return r.fillFar(ctx, step, engine.AgentMount{Volume: v.Name, Target: farTarget}, rep)
}

// fillPlain fills a plain volume. One with options has to keep its folder, to which a quota may be tied.
func (r *restoreRun) fillPlain(ctx context.Context, step *RestoreStep, v engine.Volume, rep *RestoreStepReport) error {
	if len(v.Options) > 0 {
		return r.fill(ctx, step, v.Mountpoint, rep)
	}
	return r.restoreStaged(ctx, step, v.Mountpoint, rep)
}

func (r *restoreRun) fill(ctx context.Context, step *RestoreStep, dir string, rep *RestoreStepReport) error {
	empty, err := absentOrEmpty(dir)
	if err != nil {
		return err
	}
	if !empty {
		return errors.New("volume is not empty any more")
	}
	return r.restoreSynced(ctx, step, dir, rep)
}
