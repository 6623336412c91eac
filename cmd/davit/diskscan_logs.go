package main

import (
	"errors"
	"strings"

	"davit/diskscan"
	"davit/engine"

	"github.com/urfave/cli/v2"
)

// diskscanLogs is davit diskscan logs.
func (h *host) diskscanLogs(c *cli.Context) error {
	if c.NArg() > 2 {
		return misuse(c, "one argument too many: "+c.Args().Get(2), "logs of containers are named by --truncate")
	}
	for _, name := range []string{"top", "min-size", "older-than", "by", "watch", "save", "export", "html", "interactive", "marked"} {
		if c.IsSet(name) {
			return misuse(c, "--"+name+" is not for logs", "a folder named logs is written ./logs")
		}
	}
	keep, err := sizeFlag(c, "keep")
	if err != nil {
		return err
	}
	names := c.StringSlice("truncate")
	switch {
	case len(names) == 0 && (keep > 0 || c.Bool("yes")):
		return misuse(c, "needs --truncate NAME", "")
	case keep > 0 && c.String("to") == "":
		return misuse(c, "--keep needs --to DIR", "a folder on another file system than the log's")
	}
	logs, problems, err := h.logs(c)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.Join(h.writeLogs(c, logs, problems), incomplete(problems))
	}
	plan, err := diskscan.PlanTruncate(logs, names, keep, c.String("to"))
	if err != nil {
		return err
	}
	return h.truncateLogs(c, plan)
}

func incomplete(problems []diskscan.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &diskscan.IncompleteError{Problems: len(problems), First: problems[0]}
}

// logs reads the logs in the data-root that is named, or else in that of the machine's engine.
func (h *host) logs(c *cli.Context) (logs []diskscan.LogFile, problems []diskscan.Problem, err error) {
	var stores []diskscan.Store
	var live *diskscan.Facts
	if c.NArg() > 1 {
		if stores = diskscan.StoresAt(c.Args().Get(1), ""); len(stores) == 0 {
			return nil, nil, misuse(c, "no such folder: "+c.Args().Get(1), "")
		}
	} else {
		var eng *engine.Engine
		if stores, eng = h.localStores(c); eng != nil {
			live, _ = askAndClose(c.Context, eng) // its files say the same
		}
	}
	found := false
	for _, s := range stores {
		if s.Kind == diskscan.DataRoot {
			found = true
			some, bad := diskscan.Logs(s.Path, live)
			logs, problems = append(logs, some...), append(problems, bad...)
		}
	}
	if !found {
		return nil, nil, misuse(c, "no data-root of an engine is found here", "")
	}
	return logs, problems, nil
}

func (h *host) writeLogs(c *cli.Context, logs []diskscan.LogFile, problems []diskscan.Problem) error {
	if c.Bool("json") {
		for _, l := range logs {
			if err := writeJSON(h.out, l); err != nil {
				return err
			}
		}
		return nil
	}
	text := &textWriter{w: h.out}
	table := newTable("CONTAINER", "STATE", "DRIVER", ">SIZE", ">ROTATED", "LIMIT", "TRUNCATE")
	for _, l := range logs {
		limit, can := "none", "yes"
		if l.Limited {
			limit = "yes"
		}
		if l.Refused != "" {
			can = "no: " + l.Refused
		}
		table.row(l.Container, l.State, l.Driver, size(l.Bytes), size(l.Rotated), limit, truncate(can, max(20, h.columns()-60)))
	}
	text.table(table)
	if unlimited := unlimitedLogs(logs); len(unlimited) > 0 {
		text.linef("without a limit: %s", strings.Join(unlimited, ", "))
		text.linef(`"log-opts": {"max-size": "10m", "max-file": "3"} in daemon.json limits containers that are made afterwards`)
	}
	for _, p := range problems {
		text.linef("not read: %s", p)
	}
	return text.err
}

func unlimitedLogs(logs []diskscan.LogFile) (names []string) {
	for _, l := range logs {
		if !l.Limited {
			names = append(names, l.Container)
		}
	}
	return names
}

// truncateLogs shows the plan and, when it is confirmed, does it.
func (h *host) truncateLogs(c *cli.Context, plan *diskscan.TruncatePlan) error {
	text := &textWriter{w: h.err}
	for _, l := range plan.Logs {
		text.linef("empty the log of %s: frees %s (%s)", l.Container, size(l.Bytes), l.Path)
	}
	if plan.Keep > 0 {
		text.linef("first the last %s of each are saved in %s; lines that are written between that and the emptying are lost", size(plan.Keep), plan.To)
	} else {
		text.linef("nothing of them is kept (--keep SIZE --to DIR saves the end); this cannot be undone")
	}
	if text.err != nil {
		return text.err
	}
	if err := h.confirm(c, "Empty these logs?"); err != nil {
		return err
	}
	done, err := plan.Apply(h.now())
	out := &textWriter{w: h.out}
	for _, t := range done {
		switch {
		case c.Bool("json"):
			if out.err == nil {
				out.err = writeJSON(h.out, t)
			}
		case t.Error != "":
			out.linef("%s", t.Error)
		default:
			out.linef("emptied the log of %s: %s freed%s", t.Container, size(t.Freed), ifThen(t.Kept != "", ", its end is in "+t.Kept))
		}
	}
	return errors.Join(err, out.err)
}
