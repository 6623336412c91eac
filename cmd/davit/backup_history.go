package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"davit/backup/drill"
	"davit/backup/job"

	"github.com/urfave/cli/v2"
)

func (h *host) backupHistoryCommand() *cli.Command {
	return &cli.Command{
		Name:      "history",
		Usage:     "List the runs of jobs and drills, or what one of them did",
		UsageText: "davit backup history [RUN] [--job NAME] [--last N]",
		Description: paragraph("RUN is an id, the beginning of one, or latest. Needs neither a repository nor an engine. "+
			"A run that never ended, after a power cut for instance, is listed as killed. --report writes the report of a drill once more.") +
			examples("davit backup history --last 10", "davit backup history latest", "davit backup history --json | jq -r .result") +
			exitCodes(exitDone, exitUsage),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "job", EnvVars: []string{"DAVIT_JOB"}, Usage: "only runs of this `JOB`"},
			&cli.IntFlag{Name: "last", Usage: "only the newest `N`"},
			&cli.StringSliceFlag{Name: "report", Usage: "write the report of a drill to this `FILE`: .html, .md or .json"},
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
	if len(args) == 0 && len(c.StringSlice("report")) > 0 {
		return misuse(c, "--report needs the drill to report on", "latest, or an id that davit backup history lists")
	}
	list, unreadable := readHistory(global(c, "state-dir"), c.String("job"))
	if len(args) == 1 {
		e, err := findEvent(list, args[0])
		if err != nil {
			return errors.Join(err, unreadable)
		}
		return h.writeEvent(c, e)
	}
	if n := c.Int("last"); n > 0 && n < len(list) {
		list = list[:n]
	}
	return errors.Join(unreadable, h.writeHistory(c, list))
}

// event is a run of a job, or a drill.
type event struct {
	run   *job.Record
	drill *drill.Report
}

func (e event) id() string {
	if e.run != nil {
		return e.run.ID
	}
	return e.drill.ID
}

func (e event) began() time.Time {
	if e.run != nil {
		return e.run.Began
	}
	return e.drill.Began
}

// readHistory reads the runs and drills of a state folder, newest first, those of one job where one is named.
func readHistory(stateDir, name string) ([]event, error) {
	records, unreadable := job.OpenHistory(stateDir).List()
	drills, more := drill.Reports(stateDir)
	var list []event
	for _, r := range ofJob(records, name) {
		list = append(list, event{run: r})
	}
	for _, d := range drills {
		if name == "" || d.Job == name || d.Snapshot.Job == name {
			list = append(list, event{drill: d})
		}
	}
	slices.SortStableFunc(list, func(a, b event) int { return b.began().Compare(a.began()) })
	return list, errors.Join(unreadable, more)
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

// findEvent finds a run or a drill by its id, the beginning of one, or "latest".
func findEvent(list []event, spec string) (event, error) {
	var found []event
	for _, e := range list {
		if spec == "latest" || strings.HasPrefix(e.id(), spec) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0:
		return event{}, &usageError{message: "no such run: " + spec, hint: "davit backup history lists them", code: exitFailed}
	case len(found) > 1 && spec != "latest":
		return event{}, &usageError{message: "several runs begin with " + spec, hint: "give more of the id", code: exitFailed}
	}
	return found[0], nil
}

// writeEvent tells all of one run or drill, and writes a drill's report anew where that is asked for.
func (h *host) writeEvent(c *cli.Context, e event) error {
	reports := c.StringSlice("report")
	switch {
	case len(reports) > 0 && e.drill == nil:
		return misuse(c, "--report is for drills, and "+e.id()+" is a run", "")
	case len(reports) > 0:
		return writeReports(e.drill, reports)
	case e.drill != nil && c.Bool("json"):
		return writeJSON(h.out, e.drill)
	case e.drill != nil:
		return writeDrillReport(h.out, e.drill)
	case c.Bool("json"):
		return writeJSON(h.out, e.run)
	}
	return writeRecord(h.out, e.run)
}

func (h *host) writeHistory(c *cli.Context, list []event) error {
	t := newTable("BEGAN", "JOB", "RESULT", ">TOOK", ">SIZE", ">NEW", ">HELD", "SNAPSHOT", "RUN")
	for _, e := range list {
		switch {
		case c.Bool("json") && e.drill != nil:
			if err := writeJSON(h.out, e.drill); err != nil {
				return err
			}
		case c.Bool("json"):
			if err := writeJSON(h.out, e.run); err != nil {
				return err
			}
		case e.drill != nil:
			d := e.drill
			t.row(clock(d.Began), dash(d.Snapshot.Job), "drill "+string(d.Verdict), tookText(d.Ended, d.Seconds), size(d.Bytes()), "-", "-", d.Snapshot.ID, d.ID)
		default:
			r := e.run
			held := "-"
			if r.Freezes.Groups > 0 {
				held = seconds(r.Freezes.Longest)
			}
			t.row(clock(r.Began), r.Job, string(r.Result), tookText(r.Ended, r.Seconds), size(r.Totals.Bytes), size(r.Totals.BytesNew), held, dash(r.Snapshot), r.ID)
		}
	}
	if c.Bool("json") {
		return nil
	}
	return t.write(h.out)
}

func tookText(ended time.Time, took float64) string {
	if ended.IsZero() {
		return "-"
	}
	return seconds(took)
}

func dash(s string) string { return ifElse(s == "", "-", s) }
