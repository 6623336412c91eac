package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"davit/backup/chunk"
	"davit/engine/hostfs"
)

// restoreRun is one run of ApplyRestore.
type restoreRun struct {
	env    *Env
	plan   *RestorePlan
	report *RestoreReport
	first  error // of the steps that failed
	failed map[string]bool
	loaded bool // images are loaded all at once

	journal *restoreJournal // for the next run, should this one be cut short; nil when it only writes files
}

// ApplyRestore carries a plan out; a plan with refusals is a *RefusedError and nothing is done. A step
// that fails does not keep the others from being done: then the error is a *PartialError, or the step's own when
// nothing at all could be restored. What a failed step had begun to make is removed again.
func ApplyRestore(ctx context.Context, env *Env, plan *RestorePlan) (_ *RestoreReport, err error) {
	if len(plan.Refused) > 0 {
		return nil, &RefusedError{Action: "restore", Reasons: plan.Refused}
	}
	begin := env.Now()
	r := &restoreRun{env: env, plan: plan, failed: map[string]bool{}, report: &RestoreReport{
		Snapshot: plan.Snapshot, Steps: []RestoreStepReport{}, Problems: []Problem{},
		Layers: plan.layers, Freezes: []Freeze{},
	}}
	if r.report.Layers == nil {
		r.report.Layers = []UnsavedLayer{}
	}
	if plan.Options.To == "" {
		if r.journal, err = createRestoreJournal(env, plan.Snapshot); err != nil {
			return nil, err
		}
		defer closing(r.journal, &err)
	}
	reporter := env.reporter()
	reporter.Start(r.total())
	defer reporter.Done()
	err = r.steps(ctx)
	r.report.Seconds = env.Now().Sub(begin).Seconds()
	if err != nil {
		return r.report, err
	}
	return r.report, r.err()
}

// total is what there is to write.
func (r *restoreRun) total() (bytes, entries int64) {
	for _, s := range r.plan.Steps {
		if s.Action != ActionKeep {
			bytes += max(s.Bytes, 0)
			entries += s.Entries
		}
	}
	return bytes, entries
}

func (r *restoreRun) err() error {
	done := 0
	for _, s := range r.report.Steps {
		if s.Done {
			done++
		}
	}
	switch {
	case r.first != nil && done == 0:
		return r.first
	case len(r.report.Problems) > 0:
		return &PartialError{Action: "restore", Problems: len(r.report.Problems), Err: r.first}
	}
	return nil
}

// steps does the steps in order. Only a cancelled run ends early.
func (r *restoreRun) steps(ctx context.Context) error {
	if replaced := r.replacements(); len(replaced) > 0 {
		if err := r.replaceAll(ctx, replaced); err != nil {
			return err
		}
	}
	for i := range r.plan.Steps {
		step := &r.plan.Steps[i]
		if step.Action == ActionReplaceVolume {
			continue
		}
		begin := r.env.Now()
		r.env.reporter().Item(step.Ref())
		rep := RestoreStepReport{RestoreStep: *step}
		err := r.do(ctx, step, &rep)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.finishStep(step, rep, begin, err)
	}
	return nil
}

func (r *restoreRun) finishStep(step *RestoreStep, rep RestoreStepReport, begin time.Time, err error) {
	rep.Seconds = r.env.Now().Sub(begin).Seconds()
	rep.Done = err == nil
	if err != nil {
		r.failed[step.Ref()] = true
		r.report.Problems = append(r.report.Problems, Problem{Item: step.Ref(), Reason: err.Error()})
		if r.first == nil {
			r.first = fmt.Errorf("restore %s: %w", step.Ref(), err)
		}
	} else if step.Action != ActionKeep {
		r.report.Files += rep.Files
		r.report.Bytes += max(rep.Bytes, 0)
	}
	r.report.Steps = append(r.report.Steps, rep)
}

func (r *restoreRun) do(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) error {
	switch step.Action {
	case ActionKeep:
		return nil
	case ActionCreateVolume:
		return r.createVolume(ctx, step, rep)
	case ActionFillVolume:
		return r.fillVolume(ctx, step, rep)
	case ActionWriteFolder:
		return r.writeFolder(ctx, step, rep)
	case ActionWriteCompose:
		return r.writeComposeFile(ctx, step)
	case ActionWriteFile:
		return r.writeFile(ctx, step)
	case ActionLoadImage:
		return r.loadImage(ctx, step, rep)
	case ActionCreateNetwork:
		return r.createNetwork(ctx, step, rep)
	case ActionCreateContainer:
		return r.createContainer(ctx, step, rep)
	case ActionStartContainer:
		return r.startContainer(ctx, step)
	case ActionReplaceVolume:
	}
	return fmt.Errorf("unknown action %q", step.Action)
}

// restoreTree writes a tree below an open folder.
func (r *restoreRun) restoreTree(ctx context.Context, step *RestoreStep, dst *hostfs.Root, rep *RestoreStepReport) error {
	result, err := chunk.Restore(ctx, r.env.Repo, step.item.Desc, dst, chunk.RestoreOptions{
		Path: step.path(), Progress: doneOnly{r.env.reporter()}, Workers: r.env.restoreWorkers(),
	})
	if err != nil {
		return err
	}
	r.noteTree(step, result, rep)
	return nil
}

// path is what is restored of the item; "" is all of it.
func (s *RestoreStep) path() string {
	if s.Path != "" {
		return s.Path
	}
	return s.file
}

// noteTree takes the result of a tree into the report.
func (r *restoreRun) noteTree(step *RestoreStep, result *chunk.RestoreResult, rep *RestoreStepReport) {
	rep.Files, rep.Bytes, rep.Entries = result.Files, result.Bytes, result.Entries
	for _, p := range result.Problems {
		if p.Harmless() {
			continue
		}
		r.report.Problems = append(r.report.Problems, Problem{
			Item: step.Ref(), Path: p.Path, Reason: string(p.Kind) + ": " + p.Reason,
		})
	}
}

// doneOnly passes on what is done: what there is to do is known from the snapshot.
type doneOnly struct{ reporter Reporter }

func (doneOnly) Found(int64, int64) {}

func (d doneOnly) Done(_, bytes int64) { d.reporter.Add(bytes) }

// closing joins the error of closing c to err.
func closing(c io.Closer, err *error) { *err = errors.Join(*err, c.Close()) }

// remoteWorkers restore at once from a server: most of the time they wait for it.
const remoteWorkers = 16

// restoreWorkers is how many workers a restore has, 0 for the usual number.
func (e *Env) restoreWorkers() int {
	if e.Repo.Local() {
		return 0
	}
	return remoteWorkers
}
