package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"davit/backup"
	"davit/backup/drill"
	"davit/backup/job"

	"github.com/urfave/cli/v2"
)

func (h *host) backupDrillCommand() *cli.Command {
	return &cli.Command{
		Name:      "drill",
		Usage:     "Prove that a snapshot restores, beside what runs",
		UsageText: "davit backup drill [SNAPSHOT] [flags]",
		Description: paragraph("Restores into scratch volumes, compares every file, starts copies of the containers in networks that lead nowhere, "+
			"waits for health checks, runs probes, measures, and removes all it made. SNAPSHOT is latest if not given. "+
			"With --job, what the configuration says of that job counts.") +
			examples(
				"davit backup drill --job nightly --yes --report drill.html",
				"davit backup drill -r /srv/backup --project shop --probe 'db=pg_isready'",
				"davit backup drill -r /srv/backup --dry-run",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitWrongKey, exitUnreachable, exitDamaged, exitInterrupted),
		Flags:  drillFlags(),
		Action: h.backupDrill,
	}
}

func drillFlags() []cli.Flag {
	return []cli.Flag{
		repoFlag(),
		configFlag(),
		&cli.StringFlag{Name: "host", EnvVars: []string{"DAVIT_BACKUP_HOST"}, Usage: "only snapshots of this `HOST` (default: this one for latest)"},
		&cli.StringFlag{Name: "job", EnvVars: []string{"DAVIT_JOB"}, Usage: "only snapshots of this `JOB`, with its settings"},
		&cli.StringSliceFlag{Name: "project", Usage: "only this compose `PROJECT`; may be repeated"},
		&cli.StringSliceFlag{Name: "volume", Usage: "only this `VOLUME`, without containers; may be repeated"},
		&cli.StringSliceFlag{Name: "probe", Usage: "command that proves that a container works, `CONTAINER=CMD`; may be repeated"},
		&cli.StringSliceFlag{Name: "report", Usage: "write the report to this `FILE`: .html, .md or .json; may be repeated"},
		&cli.StringFlag{Name: "target-rto", Usage: "fail when all is not back within this `TIME`: 30m, 4h"},
		&cli.StringFlag{Name: "target-rpo", Usage: "fail when the data is older than this `TIME`: 26h, 7d"},
		&cli.DurationFlag{Name: "timeout", DefaultText: drill.DefaultTimeout.String(), Usage: "how long each container may take to be ready, `TIME`"},
		&cli.BoolFlag{Name: "keep-on-failure", Usage: "leave what a failed drill made until davit recover"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would be restored, and what is not rehearsed"},
		yesFlag(),
		progressFlag(),
		jsonFlag(),
	}
}

func (h *host) backupDrill(c *cli.Context) error {
	args, err := arguments(c, 0, "SNAPSHOT")
	if err != nil {
		return err
	}
	options, reports, where, err := h.drillOptions(c)
	if err != nil {
		return err
	}
	options.Spec = "latest"
	if len(args) == 1 {
		options.Spec = args[0]
	}
	env, closeRepo, err := h.openDrill(c, where)
	if err != nil {
		return err
	}
	defer closeRepo()
	closeEngine, err := h.withEngine(c, env)
	if err != nil {
		return err
	}
	defer closeEngine()
	eng, err := drillEngine(env)
	if err != nil {
		return err
	}
	if !c.Bool("dry-run") {
		h.recoverFirst(c, env)
		h.recoverDrills(c)
	}
	plan, err := drill.Make(c.Context, env, eng, options)
	switch {
	case err != nil:
		return err
	case c.Bool("dry-run"):
		return h.showDrillPlan(c, plan)
	case len(plan.Refused) == 0:
		if err := h.confirmDrill(c, plan); err != nil {
			return err
		}
	}
	return h.runDrill(c, env, eng, plan, reports)
}

// drillEngine is the engine as a drill sees it.
func drillEngine(env *backup.Env) (drill.Engine, error) {
	eng, ok := env.Engine.(drill.Engine)
	if !ok {
		return nil, errors.New("this engine cannot be used for drills")
	}
	return eng, nil
}

// openDrill opens the repository of the job, or the one that the flags name.
func (h *host) openDrill(c *cli.Context, r *job.Repository) (*backup.Env, func(), error) {
	if r == nil || c.String("repo") != "" {
		return h.openBackup(c, readOnly)
	}
	if err := checkProgress(c); err != nil {
		return nil, nil, err
	}
	return h.openJobRepository(c, r, readOnly)
}

// drillOptions is what the job says, where one is named that the configuration has, and what flags say instead.
func (h *host) drillOptions(c *cli.Context) (o drill.Options, reports []string, r *job.Repository, err error) {
	if name := c.String("job"); name != "" {
		cfg, j, err := h.drillJob(c, name)
		if err != nil {
			return o, nil, nil, err
		}
		if j != nil {
			o, reports, r = j.DrillOptions(), j.DrillReports(), cfg.RepositoryOf(j)
		}
		o.Job = name
	}
	o.Host = c.String("host")
	if c.IsSet("project") || c.IsSet("volume") {
		o.Projects, o.Volumes = c.StringSlice("project"), c.StringSlice("volume")
	}
	for _, text := range c.StringSlice("probe") {
		p, err := drill.ParseProbe(text, drill.FromFlag)
		if err != nil {
			return o, nil, nil, err
		}
		o.Probes = append(o.Probes, p)
	}
	reports = append(reports, c.StringSlice("report")...)
	for _, file := range reports {
		if err := drill.CheckReport(file); err != nil {
			return o, nil, nil, err
		}
	}
	for flag, target := range map[string]*time.Duration{"target-rto": &o.TargetRTO, "target-rpo": &o.TargetRPO} {
		if text := c.String(flag); text != "" {
			if *target, err = job.ParseSpan(text); err != nil {
				return o, nil, nil, misuse(c, "--"+flag+": "+err.Error(), "")
			}
		}
	}
	if c.IsSet("timeout") {
		if o.Timeout = c.Duration("timeout"); o.Timeout <= 0 {
			return o, nil, nil, misuse(c, "--timeout is not a time to wait: "+o.Timeout.String(), "")
		}
	}
	o.Keep = c.Bool("keep-on-failure")
	return o, reports, r, nil
}

// drillJob finds a job of the configuration; nil when there is none of this name, or no configuration, and --repo says where
// its snapshots are.
func (h *host) drillJob(c *cli.Context, name string) (*job.Config, *job.Job, error) {
	cfg, err := job.ReadConfig(h.configFile(c))
	var j *job.Job
	if err == nil {
		j, err = cfg.Job(name)
	}
	var unknown *job.UnknownJobError
	if c.String("repo") != "" && (errors.Is(err, job.ErrNoConfig) || errors.As(err, &unknown)) {
		return nil, nil, nil
	}
	return cfg, j, err
}

// confirmDrill shows what is going to be started and asks.
func (h *host) confirmDrill(c *cli.Context, plan *drill.Plan) error {
	if !c.Bool("yes") && h.inTTY {
		if err := writeDrillPlan(h.err, plan); err != nil {
			return err
		}
	}
	return h.confirm(c, "Restore this beside what runs, and remove it again?")
}

func (h *host) showDrillPlan(c *cli.Context, plan *drill.Plan) error {
	var err error
	if c.Bool("json") {
		err = writeJSON(h.out, plan)
	} else {
		err = writeDrillPlan(h.out, plan)
	}
	if err == nil && len(plan.Refused) > 0 {
		err = &backup.RefusedError{Action: "drill", Reasons: plan.Refused}
	}
	return err
}

func (h *host) runDrill(c *cli.Context, env *backup.Env, eng drill.Engine, plan *drill.Plan, reports []string) error {
	p := h.startRunProgress(c, "drill")
	defer p.close()
	env.Reporter = p
	report, err := drill.Run(c.Context, env, eng, plan)
	p.close()
	if report == nil {
		return err
	}
	err = errors.Join(err, writeReports(report, reports), h.drillMetrics(c))
	if c.Bool("json") {
		return errors.Join(err, writeJSON(h.out, report))
	}
	return errors.Join(shownDrill(err), writeDrillReport(h.out, report))
}

// shownDrillError is a *drill.FailedError whose report has just been written: it does not say all of it once more.
type shownDrillError struct{ *drill.FailedError }

func (e shownDrillError) Error() string {
	return fmt.Sprintf("%s failed in drill %s", countOf(e.Report.Count(drill.Fail), "check", "checks"), e.Report.ID)
}

func (e shownDrillError) Unwrap() error { return e.FailedError }

// shownDrill shortens the error of a drill whose report has been written, also among joined ones.
func shownDrill(err error) error {
	if failed, ok := err.(*drill.FailedError); ok {
		return shownDrillError{failed}
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, shownDrill(e))
	}
	return errors.Join(list...)
}

func writeReports(report *drill.Report, files []string) error {
	var errs []error
	for _, file := range slices.Compact(files) {
		errs = append(errs, drill.WriteFile(file, report))
	}
	return errors.Join(errs...)
}

// drillMetrics writes the numbers anew, where the configuration says that there are any.
func (h *host) drillMetrics(c *cli.Context) error {
	cfg, err := job.ReadConfig(h.configFile(c))
	if err != nil || cfg.Metrics.Textfile == "" {
		return nil // what is wrong with it is told where it is used
	}
	name, err := h.hostname()
	if err != nil {
		return err
	}
	return job.RefreshMetrics(cfg.Metrics.Textfile, name, global(c, "state-dir"))
}

// recoverDrills removes what killed drills left. What cannot be removed now is told, and keeps no drill from being made.
func (h *host) recoverDrills(c *cli.Context) {
	removed, err := drill.Recover(c.Context, global(c, "state-dir"), drillConnect)
	_ = h.writeRemoved(removed) // said for people only
	if err != nil {
		text := &textWriter{w: h.err}
		text.linef("warning: %s", oneLine(err))
	}
}

func (h *host) writeRemoved(removed []drill.Removed) error {
	text := &textWriter{w: h.err}
	for _, r := range removed {
		text.linef("removed what drill %s left: %s", r.Run, removedText(r))
	}
	return text.err
}

func removedText(r drill.Removed) string {
	return fmt.Sprintf("%s, %s, %s, %s", count(int64(r.Containers), "container"), count(int64(r.Networks), "network"),
		count(int64(r.Volumes), "volume"), count(int64(r.Images), "image"))
}

// drillForJob makes the drill that a job asks for after its backup.
func (h *host) drillForJob(ctx context.Context, env *backup.Env, j *job.Job, snapshot string) (*drill.Report, error) {
	eng, err := drillEngine(env)
	if err != nil {
		return nil, err
	}
	options := j.DrillOptions()
	options.Spec = snapshot
	plan, err := drill.Make(ctx, env, eng, options)
	if err != nil {
		return nil, err
	}
	report, err := drill.Run(ctx, env, eng, plan)
	if report == nil {
		return nil, err
	}
	return report, errors.Join(err, writeReports(report, j.DrillReports()))
}

// reportDirs are the folders that a job's reports go to.
func reportDirs(j *job.Job) []string {
	var dirs []string
	for _, file := range j.DrillReports() {
		dirs = append(dirs, filepath.Dir(file))
	}
	return dirs
}
