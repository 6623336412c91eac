package main

import (
	"strconv"

	"davit/prune"

	"github.com/urfave/cli/v2"
)

func (h *host) pruneHistoryCommand() *cli.Command {
	return &cli.Command{
		Name:      "history",
		Usage:     "List the runs of prune, or what one of them did",
		UsageText: "davit prune history [RUN] [--json]",
		Description: paragraph("RUN is an id, the beginning of one, or latest. Needs no engine.") +
			examples("davit prune history", "davit prune history latest") + exitCodes(exitDone, exitUsage),
		Flags:  []cli.Flag{jsonFlag()},
		Action: h.pruneHistory,
	}
}

func (h *host) pruneHistory(c *cli.Context) error {
	args, err := arguments(c, 0, "RUN")
	if err != nil {
		return err
	}
	state := global(c, "state-dir")
	if len(args) == 1 {
		r, err := prune.FindRun(state, args[0])
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return writeJSON(h.out, withoutSecrets(*r))
		}
		return h.writeRun(r)
	}
	runs, err := prune.History(state)
	if err != nil {
		return err
	}
	t := newTable("RUN", "BEGAN", "POLICY", ">REMOVED", ">SKIPPED", ">FAILED", ">PREDICTED", ">MEASURED", "END")
	for _, r := range runs {
		if c.Bool("json") {
			if err := writeJSON(h.out, withoutSecrets(r)); err != nil {
				return err
			}
			continue
		}
		measured, end := "", "killed"
		if r.Seen {
			measured = size(r.Measured)
		}
		if !r.Ended.IsZero() {
			end = "done"
		}
		t.row(r.ID, clock(r.Began), r.Policy, strconv.Itoa(r.Count(prune.Removed)), strconv.Itoa(r.Count(prune.Skipped)),
			strconv.Itoa(r.Count(prune.Failed)), size(r.Freed), measured, end)
	}
	if c.Bool("json") {
		return nil
	}
	return t.write(h.out)
}

// withoutSecrets leaves out the engine's documents: their environments hold passwords.
func withoutSecrets(r prune.Record) prune.Record {
	deeds := make([]prune.Deed, len(r.Deeds))
	for i, d := range r.Deeds {
		d.Raw = nil
		deeds[i] = d
	}
	r.Deeds = deeds
	return r
}

func (h *host) writeRun(r *prune.Record) error {
	text := &textWriter{w: h.out}
	t := newTable("OUTCOME", ">FREED", "KIND", "OBJECT", "ARCHIVED", "NOTE")
	for _, d := range r.Deeds {
		freed, archived := "", "no"
		if d.Outcome == prune.Removed {
			freed = size(d.Bytes)
		}
		if d.Archived {
			archived = "yes"
		}
		t.row(string(d.Outcome), freed, string(d.Object.Kind), objectName(d.Object), archived, d.Reason)
	}
	text.table(t)
	if r.Snapshot != "" {
		text.linef("archived in %s as snapshot %s", r.Archive, r.Snapshot)
	}
	return text.err
}
