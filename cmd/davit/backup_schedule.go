package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"davit/backup/drill"
	"davit/backup/job"
	"davit/backup/job/schedule"
	"davit/engine/systemd"

	"github.com/urfave/cli/v2"
)

func (h *host) backupScheduleCommand() *cli.Command {
	return &cli.Command{
		Name:  "schedule",
		Usage: "Have jobs run by themselves: systemd timers, or cron without systemd",
		Subcommands: []*cli.Command{
			{
				Name: "install", Usage: "Run a job at times of the day, or by a cron expression",
				UsageText: "davit backup schedule install JOB --at TIME… [flags]\n       davit backup schedule install JOB --cron EXPRESSION [flags]",
				Description: paragraph("Writes a timer and a hardened service of systemd, davit-backup-JOB; a run that was missed while the host was off "+
					"is caught up after boot. Without systemd: /etc/cron.d/davit-backup-JOB, without jitter and catching up.") +
					examples("davit backup schedule install nightly --at 03:10",
						"davit backup schedule install nightly --drill --cron '30 4 1 * *'") + exitCodes(exitDone, exitUsage),
				Flags: []cli.Flag{
					configFlag(),
					&cli.StringSliceFlag{Name: "at", Usage: "`TIME` of the day, as in 03:10; may be repeated"},
					&cli.StringFlag{Name: "cron", Usage: "`EXPRESSION` of five fields, or @hourly, @daily, @weekly, @monthly, @yearly"},
					scheduleDrillFlag(),
					&cli.DurationFlag{Name: "jitter", Value: 5 * time.Minute, Usage: "delay by chance, at most this `TIME`"},
					&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print the files"},
				},
				Action: h.scheduleInstall,
			},
			{
				Name: "list", Usage: "List what is installed: next run, last run, its result", UsageText: "davit backup schedule list [--json]",
				Description: examples("davit backup schedule list", "davit backup schedule list --json") + exitCodes(exitDone, exitUsage),
				Flags:       []cli.Flag{jsonFlag()},
				Action:      h.scheduleList,
			},
			{
				Name: "show", Usage: "Print what is installed for a job", UsageText: "davit backup schedule show JOB [--drill]",
				Description: examples("davit backup schedule show nightly", "davit backup schedule show weekend") + exitCodes(exitDone, exitUsage),
				Flags:       []cli.Flag{scheduleDrillFlag()},
				Action:      h.scheduleShow,
			},
			{
				Name: "remove", Usage: "Take a job's schedule away", UsageText: "davit backup schedule remove JOB [--drill]",
				Description: paragraph("A run that goes on is not ended. The job, its snapshots and its history stay.") +
					examples("davit backup schedule remove nightly", "davit backup schedule remove weekend") + exitCodes(exitDone, exitUsage),
				Flags:  []cli.Flag{scheduleDrillFlag()},
				Action: h.scheduleRemove,
			},
		},
	}
}

func scheduleDrillFlag() cli.Flag {
	return &cli.BoolFlag{Name: "drill", Usage: "drills of the job's snapshots, instead of its runs"}
}

// timers is what schedules need of systemd.
type timers struct{ *systemd.Conn }

func (t timers) StartTimer(ctx context.Context, unit string) error {
	return t.do(ctx, systemd.Start, unit)
}

func (t timers) StopTimer(ctx context.Context, unit string) error {
	return t.do(ctx, systemd.Stop, unit)
}

func (t timers) do(ctx context.Context, verb systemd.Verb, unit string) error {
	wait, err := t.Begin(ctx, verb, unit)
	if err != nil {
		return err
	}
	return wait(ctx)
}

// schedules opens the store of this host.
func (h *host) schedules(c *cli.Context) (*schedule.Store, func(), error) {
	s := &schedule.Store{UnitDir: "/etc/systemd/system", CronDir: "/etc/cron.d"}
	if !systemd.Running() {
		return s, func() {}, nil
	}
	conn, err := systemd.Connect(c.Context)
	if err != nil {
		return nil, nil, err
	}
	s.Manager = timers{conn}
	return s, conn.Close, nil
}

// schedulePlan is what --at or --cron say.
func schedulePlan(c *cli.Context) (*schedule.Plan, error) {
	at, cron := c.StringSlice("at"), c.String("cron")
	var p *schedule.Plan
	var err error
	switch {
	case len(at) > 0 && cron != "":
		return nil, misuse(c, "--at and --cron exclude each other", "")
	case len(at) == 0 && cron == "":
		return nil, misuse(c, "needs --at TIME or --cron EXPRESSION", "")
	case cron != "":
		p, err = schedule.ByCron(cron)
	default:
		p, err = schedule.At(at...)
	}
	if err != nil {
		return nil, misuse(c, err.Error(), "")
	}
	if jitter := c.Duration("jitter"); jitter < 0 || jitter > 24*time.Hour {
		return nil, misuse(c, "--jitter is not from 0s to 24h: "+jitter.String(), "")
	}
	return p, nil
}

func (h *host) scheduleInstall(c *cli.Context) error {
	args, err := arguments(c, 1, "JOB")
	if err != nil {
		return err
	}
	plan, err := schedulePlan(c)
	if err != nil {
		return err
	}
	entry, err := h.scheduleEntry(c, args[0], plan)
	if err != nil {
		return err
	}
	store, done, err := h.schedules(c)
	if err != nil {
		return err
	}
	defer done()
	text := &textWriter{w: h.out}
	if c.Bool("dry-run") {
		return h.printEntry(entry, store.Manager != nil)
	}
	if h.euid != 0 {
		return misuse(c, "needs root: a backup reads all files of the host", "")
	}
	if err := store.Install(c.Context, entry); err != nil {
		return err
	}
	text.linef("%s %s runs next at %s%s", ifElse(entry.Drill, "drill of job", "job"), entry.Job, clock(plan.Next(h.now())), ifThen(store.Manager != nil && entry.Jitter > 0,
		", and up to "+span(entry.Jitter)+" later"))
	if store.Manager == nil {
		text.linef("note: there is no systemd here; cron does not catch up on a run that is missed")
	}
	return text.err
}

// scheduleEntry is what is to be installed: the job has to be in the configuration, whole paths in what runs.
func (h *host) scheduleEntry(c *cli.Context, name string, plan *schedule.Plan) (*schedule.Entry, error) {
	file, err := filepath.Abs(h.configFile(c))
	if err != nil {
		return nil, err
	}
	cfg, err := job.ReadConfig(file)
	if err != nil {
		return nil, err
	}
	j, err := cfg.Job(name)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	e := &schedule.Entry{Job: name, Drill: c.Bool("drill"), Plan: plan, Jitter: c.Duration("jitter"), Program: program, ConfigFile: file}
	e.Writes = []string{cfg.RepositoryOf(j).Path}
	if j.Copy != nil {
		for _, to := range j.Copy.To {
			e.Writes = append(e.Writes, cfg.Repositories[to].Path)
		}
	}
	if e.Restores = e.Drill || j.Drills(); e.Restores {
		e.Writes = append(e.Writes, reportDirs(j)...)
	}
	for flag, dir := range map[string]*string{"state-dir": &e.StateDir, "cache-dir": &e.CacheDir} {
		if *dir, err = filepath.Abs(global(c, flag)); err != nil {
			return nil, err
		}
	}
	if m := cfg.Metrics.Textfile; m != "" {
		e.Writes = append(e.Writes, filepath.Dir(m))
	}
	for flag, variable := range map[string]string{"host": "DOCKER_HOST", "state-dir": "DAVIT_STATE_DIR", "cache-dir": "DAVIT_CACHE_DIR"} {
		value := global(c, flag)
		if value == "" && flag == "host" {
			value = h.getenv(variable)
		}
		if usual := defaultPaths(h.getenv, h.euid); value != "" && value != usual.state && value != usual.cache {
			e.Env = append(e.Env, variable+"="+value)
		}
	}
	slices.Sort(e.Env)
	return e, nil
}

func (h *host) printEntry(e *schedule.Entry, timer bool) error {
	files := []string{e.CronFile()}
	if timer {
		files = []string{e.Timer(), e.Service()}
	}
	for _, f := range files {
		if _, err := fmt.Fprintln(h.out, f); err != nil {
			return err
		}
	}
	return nil
}

// scheduled is a schedule with what the history says of its job.
type scheduled struct {
	*schedule.Installed
	Last      *job.Record   `json:"last_run"`
	LastDrill *drill.Report `json:"last_drill,omitempty"`
}

// find finds the last run or drill of the schedule's job: when it began, and how it ended.
func (s *scheduled) find(history []*job.Record, drills []*drill.Report) (began, result string) {
	if s.Drill {
		for _, d := range drills {
			if d.Job == s.Job {
				s.LastDrill = d
				return clock(d.Began), string(d.Verdict)
			}
		}
		return "-", "-"
	}
	if of := ofJob(history, s.Job); len(of) > 0 {
		s.Last = of[0]
		return clock(s.Last.Began), string(s.Last.Result)
	}
	return "-", "-"
}

func (h *host) scheduleList(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	store, done, err := h.schedules(c)
	if err != nil {
		return err
	}
	defer done()
	list, unreadable := store.List(c.Context)
	history, more := job.OpenHistory(global(c, "state-dir")).List()
	drills, unread := drill.Reports(global(c, "state-dir"))
	t := newTable("JOB", "BY", "NEXT RUN", "LAST RUN", "RESULT", "WHEN")
	for _, in := range list {
		in.NextAfter(h.now())
		s := scheduled{Installed: in}
		last, result := s.find(history, drills)
		if c.Bool("json") {
			if err := writeJSON(h.out, s); err != nil {
				return err
			}
			continue
		}
		t.row(in.Job+ifThen(in.Drill, " (drill)"), in.Kind, clockOrDash(in.Next), last, result, shortList(in.When))
	}
	if !c.Bool("json") {
		err = t.write(h.out)
	}
	return errors.Join(err, unreadable, more, unread)
}

func clockOrDash(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return clock(t)
}

func (h *host) scheduleShow(c *cli.Context) error {
	return h.withSchedule(c, func(s *schedule.Store, name string) error {
		in, err := s.Show(c.Context, name, c.Bool("drill"))
		if err != nil {
			return err
		}
		in.NextAfter(h.now())
		text := &textWriter{w: h.out}
		for _, path := range slices.Sorted(maps.Keys(in.Files)) {
			text.linef("# %s", path)
			if _, err := fmt.Fprintln(h.out, in.Files[path]); err != nil {
				return err
			}
		}
		text.linef("# next run: %s", clockOrDash(in.Next))
		return text.err
	})
}

func (h *host) scheduleRemove(c *cli.Context) error {
	return h.withSchedule(c, func(s *schedule.Store, name string) error {
		if err := s.Remove(c.Context, name, c.Bool("drill")); err != nil {
			return err
		}
		text := &textWriter{w: h.out}
		if c.Bool("drill") {
			text.linef("drills of job %s are not made by themselves any more", name)
		} else {
			text.linef("job %s does not run by itself any more", name)
		}
		return text.err
	})
}

func (h *host) withSchedule(c *cli.Context, do func(*schedule.Store, string) error) error {
	args, err := arguments(c, 1, "JOB")
	if err != nil {
		return err
	}
	store, done, err := h.schedules(c)
	if err != nil {
		return err
	}
	defer done()
	return do(store, args[0])
}
