package main

import (
	"context"
	"errors"
	"io"
	"time"

	"davit/backup"
	"davit/backup/drill"
	"davit/backup/job"
	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupStatusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "Say how well each job and volume is protected: the one command for a dashboard",
		UsageText: "davit backup status [--host HOST] [--rpo TIME]\n       davit backup status --repo DIR [--host HOST] [--rpo TIME]",
		Description: paragraph("Without --repo: the jobs of the configuration, and the volumes that the engine has. With --repo: every host "+
			"that has snapshots there, by them alone; needs neither a configuration nor an engine. "+
			"What is older than its rpo is too old: that of --rpo, of the job, or the one that a snapshot was made with.") +
			examples("davit backup status", "davit backup status --repo /srv/backup --rpo 26h", "davit backup status --json | jq .bad") +
			exitCodes(exitDone, exitUsage, exitNoRepository, exitUnreachable, exitUnprotected),
		Flags: []cli.Flag{
			configFlag(),
			repoFlag(),
			&cli.StringFlag{Name: "host", EnvVars: []string{"DAVIT_BACKUP_HOST"}, Usage: "only this `HOST`"},
			&cli.StringFlag{Name: "rpo", EnvVars: []string{"DAVIT_RPO"}, Usage: "how old the newest snapshot may be, `TIME`: 26h, 2d"},
			&cli.BoolFlag{Name: "no-engine", Usage: "do not ask the engine: volumes are those that snapshots name"},
			jsonFlag(),
		},
		Action: h.backupStatus,
	}
}

func (h *host) backupStatus(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	name, err := h.hostname()
	if err != nil {
		return err
	}
	in := job.StatusInput{Host: name, Now: h.now(), Only: c.String("host")}
	if c.String("rpo") != "" {
		age, err := backup.ParseAge(c.String("rpo"))
		if err != nil {
			return err
		}
		rpo := job.Age{Age: age}.Duration()
		in.RPO = &rpo
	}
	in.History, in.Unread = job.OpenHistory(global(c, "state-dir")).List()
	var more error
	in.Drills, more = drill.Reports(global(c, "state-dir"))
	in.Unread = errors.Join(in.Unread, more)
	var noEngine error
	if c.String("repo") != "" {
		err = h.statusOfRepository(c, &in)
	} else {
		var closeEngine func()
		closeEngine, noEngine, err = h.statusOfHost(c, &in)
		defer closeEngine()
	}
	if err != nil {
		return err
	}
	report, err := job.Status(c.Context, in)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return errors.Join(writeJSON(h.out, report), noEngine, report.Err())
	}
	return errors.Join(writeStatus(h.out, report), noEngine, report.Err())
}

// statusOfRepository reads one repository, and nothing else.
func (h *host) statusOfRepository(c *cli.Context, in *job.StatusInput) error {
	dir := c.String("repo")
	snaps, err := h.readStatus(c, &job.Repository{Path: dir}, in)
	if err != nil && len(snaps) == 0 {
		return err
	}
	in.Repositories = []job.RepositorySnapshots{{Dir: dir, Snapshots: snaps, Err: err}}
	return nil
}

// statusOfHost reads the configuration, its repositories, and the volumes of the engine where jobs save any. An engine
// that cannot be reached is told apart: snapshots tell much without it.
func (h *host) statusOfHost(c *cli.Context, in *job.StatusInput) (closeEngine func(), noEngine, err error) {
	closeEngine = func() {}
	cfg, err := job.ReadConfig(h.configFile(c))
	if err != nil {
		return closeEngine, nil, err
	}
	if in.Only == "" {
		in.Only = in.Host
	}
	in.Config = cfg
	in.Repositories = job.ReadRepositories(c.Context, cfg, func(_ context.Context, r *job.Repository) ([]repo.Snapshot, error) {
		return h.readStatus(c, r, in)
	})
	if c.Bool("no-engine") || in.Only != in.Host || !cfg.NeedsEngine() {
		return closeEngine, nil, nil
	}
	eng, noEngine := h.connect(c)
	if noEngine != nil {
		return closeEngine, noEngine, nil
	}
	in.Engine = eng
	return func() { _ = eng.Close() }, nil, nil
}

func writeStatus(w io.Writer, r *job.StatusReport) error {
	text := &textWriter{w: w}
	jobs := newTable("HOST", "JOB", "STATE", "LAST GOOD", ">AGE", ">RPO", "SNAPSHOT", "DRILL", "REASON")
	volumes := newTable("HOST", "VOLUME", "STATE", "LAST GOOD", ">AGE", ">RPO", "SNAPSHOT", "DRILL", "JOB")
	for _, hs := range r.Hosts {
		for _, j := range hs.Jobs {
			jobs.row(hs.Host, dash(j.Job), string(j.State), when(j.Time), ageText(j.Time, j.Age), rpoText(j.RPO), dash(j.Snapshot), drillText(j.Drill), j.Reason)
		}
		for _, v := range hs.Volumes {
			volumes.row(hs.Host, v.Volume, string(v.State), when(v.Time), ageText(v.Time, v.Age), rpoText(v.RPO), dash(v.Snapshot), drillText(v.Drill), dash(v.Job))
		}
	}
	repositories := newTable("REPOSITORY", "VERIFIED", ">AGE", "RESULT")
	for _, rs := range r.Repositories {
		repositories.row(rs.Repository, when(rs.Verified), ageText(rs.Verified, rs.Age), verifiedText(rs))
	}
	for _, t := range []*table{jobs, volumes, repositories} {
		if len(t.rows) > 1 {
			text.table(t)
		}
	}
	for _, n := range r.Notes {
		text.linef("note: %s", n)
	}
	if len(r.Hosts) == 0 {
		text.linef("no snapshots")
	}
	return text.err
}

// drillText says how long ago a drill was, and how it went if that was not well.
func drillText(d *job.DrillInfo) string {
	if d == nil {
		return "-"
	}
	return wholeTime(d.Age) + ifThen(d.Verdict != drill.Passed, " "+string(d.Verdict))
}

// verifiedText says how the last verify of a repository ended.
func verifiedText(r job.RepositoryStatus) string {
	switch {
	case r.Verified == nil:
		return "never verified from here"
	case r.Damaged > 0:
		return count(int64(r.Damaged), "damaged blob")
	case r.Data:
		return "no damage, data was read"
	}
	return "no damage, data was not read"
}

func when(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return clock(*t)
}

func ageText(t *time.Time, s float64) string {
	if t == nil {
		return "-"
	}
	return wholeTime(s)
}

func rpoText(s float64) string {
	if s == 0 {
		return "-"
	}
	return wholeTime(s)
}

// wholeTime writes a length of time roughly: "3d4h", "5h12m", "40s".
func wholeTime(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= 48*time.Hour:
		return (backup.Age{Days: int(d / (24 * time.Hour)), Hours: int(d % (24 * time.Hour) / time.Hour)}).String()
	case d >= time.Minute:
		text := d.Truncate(time.Minute).String()
		return text[:len(text)-len("0s")]
	}
	return d.Truncate(time.Second).String()
}
