package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"davit/backup"
	"davit/engine"
)

// run is one drill.
type run struct {
	env     *backup.Env
	eng     Engine
	plan    *Plan
	report  *Report
	journal *journal

	mountpoints map[string]string     // scratch volume -> folder
	broken      map[string]bool       // scratch volumes that did not come back
	imageIDs    map[string]string     // id in the snapshot -> id here
	ids         map[*Container]string // of scratch containers
	fatal       error                 // what ended the drill early
}

// Run carries a plan out; one with refusals is a *backup.RefusedError, and nothing is done. Whatever happens, all that was
// made is removed before it returns, unless the engine is gone; what is left then is told and removed by [Recover]. The
// report is kept in the state folder. The error is a *FailedError when a check failed, a *backup.PartialError when something
// could not be rehearsed, or what ended the drill early; then there may be a report all the same.
func Run(ctx context.Context, env *backup.Env, eng Engine, plan *Plan) (*Report, error) {
	if len(plan.Refused) > 0 {
		return nil, &backup.RefusedError{Action: "drill", Reasons: plan.Refused}
	}
	r := &run{
		env: env, eng: eng, plan: plan, mountpoints: map[string]string{}, broken: map[string]bool{}, imageIDs: map[string]string{},
		ids: map[*Container]string{},
	}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	reporter := r.reporter()
	reporter.Start(plan.bytes, 0)
	r.rehearse(ctx)
	reporter.Done()
	r.cleanUp(ctx)
	return r.report, r.finish(ctx)
}

func (r *run) reporter() backup.Reporter {
	if r.env.Reporter == nil {
		return backup.NoReporter{}
	}
	return r.env.Reporter
}

// begin writes the journal and the report of a drill that goes on.
func (r *run) begin(ctx context.Context) error {
	info, err := r.eng.Info(ctx)
	if err != nil {
		return err
	}
	p := r.plan
	began := r.env.Now()
	r.report = &Report{
		Kind: "drill", Version: ReportVersion, ID: p.Run, Host: r.env.Host, Davit: r.env.Version,
		Engine: EngineFacts{Version: info.Version, Storage: info.Driver, OS: info.OperatingSystem, Arch: info.Arch},
		Job:    p.Options.Job, Scope: append(append([]string{}, p.Options.Projects...), p.Options.Volumes...),
		Snapshot: p.Snapshot, Began: began.UTC(), Verdict: Running,
		RPO: Objective{Seconds: max(0, began.Sub(p.Snapshot.Time).Seconds()), Target: p.TargetRPO}, RTO: Objective{Target: p.TargetRTO},
		Phases: []Phase{}, Volumes: []VolumeReport{}, Images: []ImageReport{}, Containers: []Started{}, Checks: []Check{},
		NotRehearsed: p.NotRehearsed, Notes: p.Notes,
	}
	if r.journal, err = beginJournal(r.env.StateDir, p.Run, r.eng.Reference()); err != nil {
		return err
	}
	if err := writeReport(r.env.StateDir, r.report); err != nil {
		return errors.Join(err, r.journal.Done())
	}
	return nil
}

// rehearse does the drill's work, in the order in which a restore does its own.
func (r *run) rehearse(ctx context.Context) {
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"networks", r.networks},
		{"images", r.images},
		{"volumes", r.volumes},
		{"containers", r.withoutBytes(r.containers)},
	} {
		began, beside := r.env.Now(), r.report.beside()
		err := phase.do(ctx)
		// What only the drill does, reading everything once more, is no part of a recovery.
		took := r.env.Now().Sub(began).Seconds() - (r.report.beside() - beside)
		r.report.Phases = append(r.report.Phases, Phase{Name: phase.name, Seconds: took})
		r.report.RTO.Seconds += took
		if err != nil {
			r.fatal = err
			return
		}
	}
	if r.fatal = r.documents(ctx); r.fatal == nil {
		r.objectives()
	}
}

// withoutBytes lets a phase that waits, and moves no bytes, be shown as that: a bar would stand still.
func (r *run) withoutBytes(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		r.reporter().Start(0, 0)
		return do(ctx)
	}
}

// beside is the time that went into comparing.
func (r *Report) beside() (seconds float64) {
	for _, v := range r.Volumes {
		seconds += v.Compare
	}
	return seconds
}

// check notes an answer.
func (r *run) check(began time.Time, c Check) {
	c.Seconds = r.env.Now().Sub(began).Seconds()
	r.report.Checks = append(r.report.Checks, c)
}

// objectives compares what was measured with what is wanted.
func (r *run) objectives() {
	for _, o := range []struct {
		name string
		of   *Objective
	}{{"recovery time (RTO)", &r.report.RTO}, {"age of the data (RPO)", &r.report.RPO}} {
		o.of.Met = o.of.Target == 0 || o.of.Seconds <= o.of.Target
		if o.of.Target == 0 {
			continue
		}
		c := Check{Name: o.name, Result: Pass, Detail: fmt.Sprintf("%s, target %s", span(o.of.Seconds), span(o.of.Target))}
		if !o.of.Met {
			c.Result = Fail
		}
		r.report.Checks = append(r.report.Checks, c)
	}
}

// cleanUpLimit bounds the removal of what a drill made.
const cleanUpLimit = 5 * time.Minute

// cleanUp removes everything that the drill made, also when ctx is done.
func (r *run) cleanUp(ctx context.Context) {
	if r.plan.Options.Keep && (r.fatal != nil || r.report.Count(Fail) > 0) {
		r.report.Notes = append(r.report.Notes, "what the drill made is kept, with the label "+engine.LabelDrill+"="+r.plan.Run+": davit recover removes it")
		r.note(r.journal.Leave())
		return
	}
	r.reporter().Item("remove what the drill made")
	began := r.env.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpLimit)
	defer cancel()
	removed, err := sweep(ctx, r.eng, r.plan.Run)
	if err != nil {
		r.check(began, Check{Name: "clean-up", Result: Fail, Detail: err.Error() + "; davit recover removes what is left"})
		r.note(r.journal.Leave())
		return
	}
	r.report.Removed = &removed
	r.check(began, Check{Name: "clean-up", Result: Pass, Detail: fmt.Sprintf("removed %s, %s, %s, %s; nothing is left",
		count(removed.Containers, "container"), count(removed.Networks, "network"), count(removed.Volumes, "volume"), count(removed.Images, "image"))})
	r.note(r.journal.Done())
}

func (r *run) note(err error) {
	if err != nil {
		r.report.Notes = append(r.report.Notes, err.Error())
	}
}

// finish closes the report, keeps it, and returns the error that the outcome is.
func (r *run) finish(ctx context.Context) error {
	rep := r.report
	rep.Ended = r.env.Now().UTC()
	rep.Seconds = rep.Ended.Sub(rep.Began).Seconds()
	err := r.outcome(ctx)
	if r.fatal != nil {
		rep.Error = r.fatal.Error()
	}
	return errors.Join(err, writeReport(r.env.StateDir, rep), tidy(r.env.StateDir))
}

func (r *run) outcome(ctx context.Context) error {
	rep := r.report
	lost := 0
	for _, n := range rep.NotRehearsed {
		if n.Lost {
			lost++
		}
	}
	switch {
	case ctx.Err() != nil:
		rep.Verdict, r.fatal = Interrupted, context.Cause(ctx)
		return r.fatal
	case rep.Count(Fail) > 0:
		rep.Verdict = Failed
		return errors.Join(r.fatal, &FailedError{Report: rep})
	case r.fatal != nil:
		rep.Verdict = Interrupted
		return r.fatal
	case lost > 0 || !rep.Snapshot.Complete:
		rep.Verdict = Partial
		return &backup.PartialError{Action: "drill", Problems: max(1, lost)}
	}
	rep.Verdict = Passed
	return nil
}
