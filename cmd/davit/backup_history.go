package main

import (
	"errors"
	"strings"

	"davit/backup/job"

	"github.com/urfave/cli/v2"
)

func (h *host) backupHistoryCommand() *cli.Command {
	return &cli.Command{
		Name:      "history",
		Usage:     "List the runs of jobs, or what one of them did",
		UsageText: "davit backup history [RUN] [--job NAME] [--last N]",
		Description: paragraph("RUN is an id, the beginning of one, or latest. Needs neither a repository nor an engine. "+
			"A run that never ended, after a power cut for instance, is listed as killed.") +
			examples("davit backup history --last 10", "davit backup history latest", "davit backup history --json | jq -r .result") +
			exitCodes(exitDone, exitUsage),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "job", EnvVars: []string{"DAVIT_JOB"}, Usage: "only runs of this `JOB`"},
			&cli.IntFlag{Name: "last", Usage: "only the newest `N`"},
			jsonFlag(),
		},
		Action: h.backupHistory,
	}
}

func (h *host) backupHistory(c *cli.Context) error {
	args, err := arguments(c, 0, "RUN")
	if err != nil {
		return err
	}
	if c.Int("last") < 0 {
		return misuse(c, "--last is negative", "")
	}
	list, unreadable := job.OpenHistory(global(c, "state-dir")).List()
	list = ofJob(list, c.String("job"))
	if len(args) == 1 {
		r, err := findRun(list, args[0])
		if err != nil {
			return errors.Join(err, unreadable)
		}
		if c.Bool("json") {
			return writeJSON(h.out, r)
		}
		return writeRecord(h.out, r)
	}
	if n := c.Int("last"); n > 0 && n < len(list) {
		list = list[:n]
	}
	return errors.Join(unreadable, h.writeHistory(c, list))
}

func ofJob(list []*job.Record, name string) []*job.Record {
	var kept []*job.Record
	for _, r := range list {
		if name == "" || r.Job == name {
			kept = append(kept, r)
		}
	}
	return kept
}

// findRun finds a run by its id, the beginning of one, or "latest".
func findRun(list []*job.Record, spec string) (*job.Record, error) {
	var found []*job.Record
	for _, r := range list {
		if spec == "latest" || strings.HasPrefix(r.ID, spec) {
			found = append(found, r)
		}
	}
	switch {
	case len(found) == 0:
		return nil, &usageError{message: "no such run: " + spec, hint: "davit backup history lists them", code: exitFailed}
	case len(found) > 1 && spec != "latest":
		return nil, &usageError{message: "several runs begin with " + spec, hint: "give more of the id", code: exitFailed}
	}
	return found[0], nil
}

func (h *host) writeHistory(c *cli.Context, list []*job.Record) error {
	t := newTable("BEGAN", "JOB", "RESULT", ">TOOK", ">SIZE", ">NEW", ">HELD", "SNAPSHOT", "RUN")
	for _, r := range list {
		if c.Bool("json") {
			if err := writeJSON(h.out, r); err != nil {
				return err
			}
			continue
		}
		took, held := "-", "-"
		if !r.Ended.IsZero() {
			took = seconds(r.Seconds)
		}
		if r.Freezes.Groups > 0 {
			held = seconds(r.Freezes.Longest)
		}
		t.row(clock(r.Began), r.Job, string(r.Result), took, size(r.Totals.Bytes), size(r.Totals.BytesNew), held, dash(r.Snapshot), r.ID)
	}
	if c.Bool("json") {
		return nil
	}
	return t.write(h.out)
}

func dash(s string) string { return ifElse(s == "", "-", s) }
