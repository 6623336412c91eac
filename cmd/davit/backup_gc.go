package main

import (
	"io"
	"strings"

	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupGCCommand() *cli.Command {
	return &cli.Command{
		Name:      "gc",
		Usage:     "Free the space of what no snapshot needs",
		UsageText: "davit backup gc --repo DIR [--grace TIME] [--dry-run] [flags]",
		Description: paragraph("It works in two steps: what no snapshot needs, and is older than the grace, is condemned; the next gc that "+
			"runs a grace later removes it, when every backup that ran meanwhile has ended. "+
			"Backups may run at the same time. What is cut short is resumed by the next gc.") +
			examples(
				"davit backup gc --repo /srv/backup --dry-run",
				"davit backup gc --repo /srv/backup --yes",
				"davit backup gc --repo /srv/backup --grace 0s   # all of it now",
			) + exitCodes(exitDone, exitUsage, exitNoRepository, exitLocked, exitDamaged, exitInterrupted),
		Flags: []cli.Flag{
			repoFlag(),
			&cli.DurationFlag{Name: "grace", Value: repo.DefaultGrace, Usage: "leave alone what is younger than this `TIME`"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would be condemned and removed"},
			yesFlag(),
			jsonFlag(),
		},
		Action: h.backupGC,
	}
}

func (h *host) backupGC(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	grace := c.Duration("grace")
	if grace < 0 {
		return misuse(c, "--grace is negative: "+grace.String(), "")
	}
	env, closeRepo, err := h.openBackup(c, access(c.Bool("dry-run")))
	if err != nil {
		return err
	}
	defer closeRepo()
	if !c.Bool("dry-run") {
		if err := h.confirm(c, "Remove for good what no snapshot needs?"); err != nil {
			return err
		}
	}
	begin := h.now()
	result, err := env.Repo.GC(c.Context, repo.GCOptions{Grace: grace, DryRun: c.Bool("dry-run")})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(h.out, struct {
			repo.GCResult
			DryRun  bool    `json:"dry_run"`
			Seconds float64 `json:"seconds"`
		}{result, c.Bool("dry-run"), h.now().Sub(begin).Seconds()})
	}
	return writeGC(h.out, result, c.Bool("dry-run"))
}

func writeGC(w io.Writer, r repo.GCResult, dry bool) error {
	text := &textWriter{w: w}
	would := ifThen(dry, "would be ")
	text.linef("needed by snapshots: %s", amount(r.Needed))
	if r.Young.Blobs > 0 {
		text.linef("not needed, and too young: %s", amount(r.Young))
	}
	text.linef("%scondemned now: %s", would, amount(r.Condemned))
	if r.Spared > 0 {
		text.linef("condemned before, and needed again: %s", count(int64(r.Spared), "blob"))
	}
	for _, wait := range r.Waiting {
		text.linef("condemned, to be removed from %s on: %s", clock(wait.Until), amount(wait.Amount))
		if len(wait.Sessions) > 0 {
			text.linef("  and when these have ended: %s", strings.Join(wait.Sessions, "; "))
		}
	}
	text.linef("%sremoved: %s", would, amount(r.Removed))
	return text.err
}

func amount(a repo.Amount) string { return count(int64(a.Blobs), "blob") + ", " + size(a.Bytes) }
