package main

import (
	"io"
	"strconv"
	"strings"

	"davit/backup/drill"
)

func writeDrillPlan(w io.Writer, p *drill.Plan) error {
	text := &textWriter{w: w}
	text.linef("drill %s of snapshot %s, made %s on %s%s", p.Run, p.Snapshot.ID, clock(p.Snapshot.Time), p.Snapshot.Host,
		ifThen(p.Snapshot.Job != "", " by job "+p.Snapshot.Job))
	t := newTable("RESTORE", ">SIZE", ">ENTRIES", "INTO")
	for _, v := range p.Volumes {
		item := ifElse(v.Item == "", "nothing, for "+v.Of, shown(v.Item)+ifThen(v.Path != "", "//"+v.Path))
		t.row(item, size(v.Bytes), strconv.FormatInt(v.Entries, 10), "volume "+v.Name)
	}
	for _, i := range p.Images {
		if i.Action == drill.ImageLoad {
			t.row(shown(i.Item), size(i.Bytes), "", "image "+i.Tag)
		} else {
			t.row("image/"+i.Name, "", "", "is here")
		}
	}
	for _, n := range p.Networks {
		t.row("network/"+n.Of, "", "", "network "+n.Name+", isolated")
	}
	if len(t.rows) > 1 {
		text.table(t)
	}
	for _, c := range p.Containers {
		text.linef("container %s as %s%s", c.Of, c.Name, ifElse(c.Start, ", started", ", not started"))
		for _, change := range c.Changes {
			text.linef("  %s", change)
		}
		for _, probe := range c.Probes {
			text.linef("  probe (%s): %s", probe.From, probe.Text)
		}
	}
	for _, n := range p.NotRehearsed {
		text.linef("not rehearsed: %s %s", shown(n.Item), n.Reason)
	}
	for _, n := range p.Notes {
		text.linef("note: %s", n)
	}
	text.linef("needs %s and %s in %s; %s and %d inodes are free", size(p.Room.Bytes), count(p.Room.Inodes, "inode"), p.Room.Path,
		size(int64(p.Room.Free)), p.Room.FreeInodes)
	for _, r := range p.Refused {
		text.linef("refused: %s", r.Reason)
	}
	return text.err
}

func writeDrillReport(w io.Writer, r *drill.Report) error {
	text := &textWriter{w: w}
	t := newTable("RESULT", "CHECK", "OF", "FOUND", ">TOOK")
	for _, c := range r.Checks {
		t.row(string(c.Result), c.Name, dash(shown(c.About)), c.Detail, seconds(c.Seconds))
	}
	if len(r.Checks) > 0 {
		text.table(t)
	}
	for _, c := range r.Checks {
		if c.Result != drill.Fail || c.Output == "" {
			continue
		}
		text.linef("%s of %s printed:", c.Name, shown(c.About))
		for line := range strings.Lines(c.Output) {
			text.linef("  %s", strings.TrimRight(line, "\r\n"))
		}
	}
	for _, n := range r.NotRehearsed {
		text.linef("not rehearsed: %s %s", shown(n.Item), n.Reason)
	}
	for _, n := range r.Notes {
		text.linef("note: %s", n)
	}
	text.linef("drill %s %s", r.ID, r.Summary())
	text.linef("recovery time %s%s, age of the data %s%s", seconds(r.RTO.Seconds), targetOf(r.RTO), wholeTime(r.RPO.Seconds), targetOf(r.RPO))
	return text.err
}

func targetOf(o drill.Objective) string {
	return ifThen(o.Target > 0, " (target "+wholeTime(o.Target)+")")
}
