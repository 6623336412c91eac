package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"davit/backup"
	"davit/backup/drill"
	"davit/backup/hook"
	"davit/backup/repo"
)

// Env is what runs get of the process they are in.
type Env struct {
	StateDir string
	Host     string // this host's name
	Version  string // davit's own
	PID      int
	Now      func() time.Time
	Rand     io.Reader
	Say      func(line string) // what is worth knowing while a run waits

	// Open opens a repository for writing and connects the engine if that is needed. log is to be told of the
	// hooks that run.
	Open func(ctx context.Context, r *Repository, engine bool, log func(hook.Result)) (*backup.Env, func(), error)
	// Plan is backup.PlanCreate with what has to be kept off until the plan is carried out; done ends that.
	Plan func(ctx context.Context, env *backup.Env, o backup.CreateOptions) (plan *backup.CreatePlan, done func(), err error)
	// Drill rehearses the restore of a snapshot as a job says. The report may be nil when there is an error.
	Drill func(ctx context.Context, env *backup.Env, j *Job, snapshot string) (*drill.Report, error)
	// Snapshots reads the snapshots of a repository.
	Snapshots func(ctx context.Context, r *Repository) ([]repo.Snapshot, error)
}

// errMaxDuration ends a run that takes too long.
var errMaxDuration = errors.New("the run took too long")

// tellAfter bounds all that is done after a run to tell people, whatever ended the run.
const tellAfter = 2 * time.Minute

// run is one run of a job.
type run struct {
	env     *Env
	config  *Config
	job     *Job
	history *History
	record  *Record
	teller  *teller
	backup  *backup.Env // nil until it is open
	err     error       // the one that decided the result
}

// Run carries a job out. The record is nil when the run did not begin: the error is then a *BusyError, or says why
// nothing could be written. Otherwise the error is that which decided the result of the record: a
// *backup.PartialError, a *backup.DamageError, or why there is no snapshot.
func Run(ctx context.Context, env *Env, c *Config, j *Job) (*Record, error) {
	history := OpenHistory(env.StateDir)
	began := env.Now()
	lock, err := history.takeLock(ctx, lockOwner{Job: j.Name, PID: env.PID, Since: began}, j.WaitTime(), func(why error) {
		env.Say(fmt.Sprintf("waiting for at most %v: %v", j.WaitTime(), why))
	})
	if err != nil {
		return nil, err
	}
	defer lock.release()
	r := &run{env: env, config: c, job: j, history: history, teller: newTeller(env.Version)}
	if err := r.begin(); err != nil {
		return nil, err
	}
	work, cancel := ctx, context.CancelFunc(func() {})
	if d := j.MaxDuration.Duration; d > 0 {
		work, cancel = context.WithTimeoutCause(ctx, d, errMaxDuration)
	}
	defer cancel()
	r.warn(r.teller.ping(work, j.Ping, "/start", ""))
	r.warn(Yield(j.Nice, j.IONice))
	closeRepo := r.save(work)
	r.after(work)
	r.end(context.WithoutCancel(ctx))
	closeRepo()
	return r.record, r.err
}

// begin writes the record of a run that goes on.
func (r *run) begin() error {
	random := make([]byte, 4)
	if _, err := io.ReadFull(r.env.Rand, random); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	began := r.env.Now()
	r.record = &Record{
		Version: RecordVersion, ID: recordID(began, r.job.Name, fmt.Sprintf("%x", random)),
		Job: r.job.Name, Host: r.env.Host, Davit: r.env.Version, Repository: r.config.RepositoryOf(r.job).Path,
		Began: began.UTC(), Result: ResultRunning,
		Steps: []StepRecord{}, Hooks: []HookRecord{}, Problems: []RecordDetail{}, Warnings: []string{}, Volumes: []string{}, Unprotected: -1,
	}
	if err := r.history.write(r.record); err != nil {
		return err
	}
	r.warn(r.history.tidy(r.record.ID))
	r.record.Result = ResultOK // until something happens
	return nil
}

// save makes the snapshot.
func (r *run) save(ctx context.Context) (closeRepo func()) {
	options := r.job.Options()
	env, closeRepo, err := r.env.Open(ctx, r.config.RepositoryOf(r.job), options.Selection.NeedsEngine() || r.job.Drills(), r.hookRan)
	if err != nil {
		r.fail(ctx, err)
		return func() {}
	}
	r.backup = env
	plan, done, err := r.env.Plan(ctx, env, options)
	if err != nil {
		r.fail(ctx, err)
		return closeRepo
	}
	defer done()
	report, err := backup.ApplyCreate(ctx, env, plan)
	if report != nil {
		r.record.addReport(report)
	}
	r.fail(ctx, err)
	return closeRepo
}

func (r *run) hookRan(h hook.Result) {
	rec := HookRecord{Container: h.Container, When: h.When, Command: h.Command, Output: h.Output, Seconds: h.Took.Seconds()}
	if h.Err != nil {
		rec.Error = h.Err.Error()
	}
	r.record.addHook(rec)
}

// fail takes an error in; the one with the worst result decides.
func (r *run) fail(ctx context.Context, err error) {
	if err == nil {
		return
	}
	before := r.record.Result
	r.record.worse(resultOf(ctx, err))
	if r.record.Result == before && r.err != nil {
		return
	}
	if r.record.Result == ResultTimeout {
		err = fmt.Errorf("%w: more than %v", errMaxDuration, r.job.MaxDuration.Duration)
	}
	r.err = err
}

func resultOf(ctx context.Context, err error) Result {
	var partial *backup.PartialError
	var damage *backup.DamageError
	var damaged *repo.DamagedError
	var drilled *drill.FailedError
	switch {
	case errors.Is(context.Cause(ctx), errMaxDuration):
		return ResultTimeout
	case ctx.Err() != nil:
		return ResultInterrupted
	case errors.As(err, &damage), errors.As(err, &damaged), errors.As(err, &drilled):
		return ResultDamaged
	case errors.As(err, &partial):
		return ResultPartial
	}
	return ResultFailed
}

func (r *run) warn(err error) {
	if err != nil {
		r.record.warn("%v", err)
	}
}

// end closes the record and tells about it. Nothing of it changes how the run went.
func (r *run) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tellAfter)
	defer cancel()
	rec := r.record
	if r.err != nil {
		rec.Error = cut(r.err.Error())
	}
	rec.Ended = r.env.Now().UTC()
	rec.Seconds = rec.Ended.Sub(rec.Began).Seconds()
	rec.Unprotected = r.unprotected(ctx)
	// What tells about the run may hang or be killed: the record is there first.
	r.warn(r.history.write(rec))
	r.warn(r.writeMetrics())
	suffix := ""
	if !rec.Good() {
		suffix = "/fail"
	}
	r.warn(r.teller.ping(ctx, r.job.Ping, suffix, rec.Summary()))
	var told []*Notification
	for _, name := range r.job.Notify {
		told = append(told, r.config.Notifications[name])
	}
	for _, err := range r.teller.tellAll(ctx, told, rec) {
		r.warn(err)
	}
	if len(rec.Warnings) > 0 {
		_ = r.history.write(rec) // what went wrong the first time is among the warnings
	}
}

func (r *run) writeMetrics() error {
	file := r.config.Metrics.Textfile
	if file == "" {
		return nil
	}
	return RefreshMetrics(file, r.env.Host, r.env.StateDir)
}
