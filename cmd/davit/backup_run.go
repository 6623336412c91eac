package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"strings"

	"davit/backup"
	"davit/backup/hook"
	"davit/backup/job"
	"davit/backup/repo"
	"davit/backup/verified"

	"github.com/urfave/cli/v2"
)

func (h *host) backupRunCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "Carry out a job of the configuration: what a timer or cron calls",
		UsageText: "davit backup run JOB [flags]",
		Description: paragraph("Makes the snapshot, does what the job says is done after it, writes the record and the metrics, and tells "+
			"whom the configuration names. Says nothing when all is well, and one summary when not. One run at a time: a second waits "+
			"as long as --wait says. A message that cannot be sent is a warning, no failure.") +
			examples(
				"davit backup run nightly",
				"davit backup run nightly --wait 0s --max-duration 2h",
				"davit backup run nightly --dry-run",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitLocked, exitUnreachable, exitDamaged, exitInterrupted),
		Flags: append([]cli.Flag{
			configFlag(),
			&cli.StringFlag{Name: "repo", Aliases: []string{"r"}, EnvVars: []string{"DAVIT_REPO"}, Usage: "`DIR` of the repository, instead of the job's"},
			&cli.StringFlag{Name: "consistency", EnvVars: []string{"DAVIT_CONSISTENCY"}, Usage: "`HOW` to hold containers: pause, stop or live"},
			&cli.DurationFlag{Name: "max-freeze", DefaultText: "what the job says", EnvVars: []string{"DAVIT_MAX_FREEZE"}, Usage: "let a group of containers go after this `TIME`"},
			&cli.DurationFlag{Name: "max-duration", DefaultText: "what the job says", EnvVars: []string{"DAVIT_MAX_DURATION"}, Usage: "end the run after this `TIME`, 0 for never"},
			&cli.DurationFlag{Name: "wait", DefaultText: "what the job says", EnvVars: []string{"DAVIT_WAIT"}, Usage: "`TIME` to wait for another run; 0 leaves at once with exit code 11"},
			&cli.BoolFlag{Name: "verbose", Usage: "a summary also when all is well"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would be saved, frozen and left out"},
			progressFlag(),
			jsonFlag(),
		}, agentFlags()...),
		Action: h.backupRun,
	}
}

func (h *host) backupRun(c *cli.Context) error {
	args, err := arguments(c, 1, "JOB")
	if err != nil {
		return err
	}
	if err := checkProgress(c); err != nil {
		return err
	}
	cfg, j, err := h.readJob(c, args[0])
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return h.planJob(c, cfg, j)
	}
	p := h.startRunProgress(c, "backup")
	defer p.close()
	env, err := h.jobEnv(c, p)
	if err != nil {
		return err
	}
	record, err := job.Run(c.Context, env, cfg, j)
	p.close()
	if record == nil {
		return err
	}
	return errors.Join(err, h.writeJobRun(c, record))
}

// readJob reads the configuration and one job of it; flags and environment go before what it says.
func (h *host) readJob(c *cli.Context, name string) (*job.Config, *job.Job, error) {
	cfg, err := job.ReadConfig(h.configFile(c))
	if err != nil {
		return nil, nil, err
	}
	j, err := cfg.Job(name)
	if err != nil {
		return nil, nil, err
	}
	if c.IsSet("repo") {
		j.Repository = "--repo"
		cfg.Repositories[j.Repository] = &job.Repository{Path: c.String("repo")}
	}
	if c.IsSet("consistency") {
		j.Consistency = backup.Consistency(c.String("consistency"))
	}
	if c.IsSet("max-freeze") {
		j.MaxFreeze.Duration = c.Duration("max-freeze")
	}
	if c.IsSet("max-duration") {
		j.MaxDuration.Duration = c.Duration("max-duration")
	}
	if c.IsSet("wait") {
		j.Wait = &job.Duration{Duration: c.Duration("wait")}
	}
	for _, flag := range []string{"max-duration", "wait"} {
		if c.Duration(flag) < 0 {
			return nil, nil, misuse(c, "--"+flag+" is negative: "+c.Duration(flag).String(), "")
		}
	}
	return cfg, j, j.Options().Check()
}

// startRunProgress shows a bar to somebody who looks; what cron runs is quiet.
func (h *host) startRunProgress(c *cli.Context, verb string) *progress {
	how := c.String("progress")
	if how == progressAuto && !h.errTTY {
		how = progressNone
	}
	return h.startProgressAs(how, verb)
}

// jobEnv is what a run gets of this process.
func (h *host) jobEnv(c *cli.Context, p *progress) (*job.Env, error) {
	name, err := h.hostname()
	if err != nil {
		return nil, err
	}
	return &job.Env{
		StateDir: global(c, "state-dir"), Host: name, Version: thisBuild().Version, PID: os.Getpid(), Now: h.now, Rand: rand.Reader,
		Say: p.Say,
		Open: func(_ context.Context, r *job.Repository, engine bool, log func(hook.Result)) (*backup.Env, func(), error) {
			return h.openForJob(c, r, engine, log, p)
		},
		Plan: func(_ context.Context, env *backup.Env, o backup.CreateOptions) (*backup.CreatePlan, func(), error) {
			return h.planBesidePrune(c, env, o)
		},
		Drill:     h.drillForJob,
		Snapshots: func(ctx context.Context, r *job.Repository) ([]repo.Snapshot, error) { return h.readSnapshots(c, r) },
	}, nil
}

// openForJob opens a repository and, if it is needed, the engine.
func (h *host) openForJob(c *cli.Context, r *job.Repository, engine bool, log func(hook.Result), p *progress) (*backup.Env, func(), error) {
	env, closeRepo, err := h.openJobRepository(c, r, readWrite)
	if err != nil {
		return nil, nil, err
	}
	env.Reporter = p
	if !engine {
		return env, closeRepo, nil
	}
	closeEngine, err := h.withEngine(c, env)
	if err != nil {
		closeRepo()
		return nil, nil, err
	}
	h.recoverFirst(c, env)
	h.recoverDrills(c)
	if eng, ok := env.Engine.(hook.Engine); ok {
		env.Hooks = hook.New(eng, env.StateDir, h.now, log)
	}
	return env, func() { closeEngine(); closeRepo() }, nil
}

// openJobRepository opens a repository as the configuration describes it.
func (h *host) openJobRepository(c *cli.Context, r *job.Repository, how access) (*backup.Env, func(), error) {
	secrets := h.secrets(c)
	if !secrets.Some() {
		secrets = repo.Secrets{Files: r.IdentityFiles, Command: r.IdentityCommand, PassphraseFile: r.PassphraseFile}
	}
	return h.openBackupIn(c, r.Path, how, secrets, func(o *repo.Options) { o.AppendOnly = o.AppendOnly || r.AppendOnly })
}

// readSnapshots lists a repository without writing to it.
func (h *host) readSnapshots(c *cli.Context, r *job.Repository) ([]repo.Snapshot, error) {
	env, closeRepo, err := h.openJobRepository(c, r, readOnly)
	if err != nil {
		return nil, err
	}
	defer closeRepo()
	return env.Repo.Snapshots(c.Context)
}

// readStatus is readSnapshots for status, which also tells when the repository was last verified.
func (h *host) readStatus(c *cli.Context, r *job.Repository, in *job.StatusInput) ([]repo.Snapshot, error) {
	env, closeRepo, err := h.openJobRepository(c, r, readOnly)
	if err != nil {
		return nil, err
	}
	defer closeRepo()
	last, err := backup.LastVerified(env)
	in.Unread = errors.Join(in.Unread, err)
	if in.Verified == nil {
		in.Verified = map[string]*verified.Last{}
	}
	in.Verified[r.Path] = last
	return env.Repo.Snapshots(c.Context)
}

// planJob shows what a run would save.
func (h *host) planJob(c *cli.Context, cfg *job.Config, j *job.Job) error {
	env, closeRepo, err := h.openJobRepository(c, cfg.RepositoryOf(j), readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	options := j.Options()
	if options.Selection.NeedsEngine() {
		closeEngine, err := h.withEngine(c, env)
		if err != nil {
			return err
		}
		defer closeEngine()
	}
	plan, err := backup.PlanCreate(c.Context, env, options)
	switch {
	case err != nil:
		return err
	case c.Bool("json"):
		return writeJSON(h.out, plan)
	}
	return writeCreatePlan(h.out, plan)
}

// writeJobRun tells how a run went: nothing when all is well and nobody looks.
func (h *host) writeJobRun(c *cli.Context, r *job.Record) error {
	switch {
	case c.Bool("json"):
		return writeJSON(h.out, r)
	case r.Good() && len(r.Warnings) == 0 && !c.Bool("verbose") && !h.outTTY:
		return nil
	}
	return writeRecord(h.out, r)
}

// writeRecord prints a record for people.
func writeRecord(w io.Writer, r *job.Record) error {
	text := &textWriter{w: w}
	text.linef("job %s on %s: %s", r.Job, r.Host, r.Summary())
	for _, p := range r.Problems {
		text.linef("problem: %s: %s", problemPlace(backup.Problem{Item: p.Item, Path: p.Path}), p.Reason)
	}
	for _, hk := range r.Hooks {
		text.linef("hook in %s, %s: %s: %s", hk.Container, hk.When, hk.Command, ifElse(hk.Error == "", "done in "+seconds(hk.Seconds), hk.Error))
		for line := range strings.Lines(hk.Output) {
			text.linef("  %s", strings.TrimRight(line, "\r\n"))
		}
	}
	for _, s := range r.Steps {
		switch {
		case s.Skipped:
			text.linef("%s: left out", s.Step)
		case s.Error != "":
			text.linef("%s: %s", s.Step, s.Error)
		default:
			text.linef("%s: %s in %s", s.Step, s.Detail, seconds(s.Seconds))
		}
	}
	for _, warning := range r.Warnings {
		text.linef("warning: %s", warning)
	}
	if r.More > 0 {
		text.linef("and %d more problems, hooks and warnings", r.More)
	}
	if r.Snapshot != "" {
		text.linef("snapshot %s in %s: %s, new %s, stored %s; held containers for %s at most",
			r.Snapshot, r.Repository, size(r.Totals.Bytes), size(r.Totals.BytesNew), size(r.Totals.Stored), seconds(r.Freezes.Longest))
	}
	if r.Unprotected > 0 {
		text.linef("%s in no snapshot: davit backup status names them", countOf(r.Unprotected, "volume is", "volumes are"))
	}
	return text.err
}
