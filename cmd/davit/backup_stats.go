package main

import (
	"errors"
	"io"

	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupStatsCommand() *cli.Command {
	return &cli.Command{
		Name:      "stats",
		Usage:     "Show how much space snapshots take, alone and together",
		UsageText: "davit backup stats --repo DIR [--json]",
		Description: paragraph("NEEDS is all that a snapshot consists of, as stored; UNIQUE is what no other snapshot needs, which is what forgetting "+
			"it alone would free.") +
			examples("davit backup stats --repo /srv/backup", "davit backup stats --repo /srv/backup --json | jq .") +
			exitCodes(exitDone, exitUsage, exitNoRepository, exitDamaged),
		Flags:  []cli.Flag{repoFlag(), jsonFlag()},
		Action: h.backupStats,
	}
}

func (h *host) backupStats(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	usage, err := env.Repo.Usage(c.Context)
	if unreadable := (*repo.UnreadableError)(nil); err != nil && !errors.As(err, &unreadable) {
		return err
	}
	write := writeUsage
	if c.Bool("json") {
		write = func(w io.Writer, u repo.Usage) error { return writeJSON(w, u) }
	}
	return errors.Join(err, write(h.out, usage))
}

func writeUsage(w io.Writer, u repo.Usage) error {
	t := newTable("ID", "TIME", ">NEEDS", ">UNIQUE", ">SHARED", "HOST", "JOB")
	for _, s := range u.Snapshots {
		t.row(s.ID, clock(s.Time), size(s.Stored.Bytes), size(s.Unique.Bytes), size(s.Stored.Bytes-s.Unique.Bytes), s.Host, s.Job)
	}
	text := &textWriter{w: w}
	text.table(t)
	text.linef("repository: %s", amount(u.Stored))
	text.linef("needed by snapshots: %s", amount(u.Needed))
	if u.Condemned.Blobs > 0 {
		text.linef("condemned, to be removed by a later gc: %s", amount(u.Condemned))
	}
	return text.err
}
