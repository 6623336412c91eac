package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"davit/backup"
)

// writeCreatePlan prints what a run of create would do.
func writeCreatePlan(w io.Writer, plan *backup.CreatePlan) error {
	t := newTable("ACTION", ">SIZE", "HELD", "ITEM")
	for _, it := range plan.Items {
		action, held := "save", "-"
		if it.Failure != "" {
			action = "fail"
		}
		if it.Group >= 0 {
			held = fmt.Sprintf("group %d", it.Group+1)
		}
		t.row(action, sizeIfKnown(it.Bytes), held, shown(it.Ref()))
	}
	text := &textWriter{w: w}
	text.table(t)
	for i, g := range plan.Groups {
		text.linef("group %d: %s", i+1, describeGroup(g))
		for _, hk := range g.Hooks {
			text.linef("  runs in %s %s", hk.Container, hk.Runs)
		}
	}
	for _, it := range plan.Items {
		switch {
		case it.Failure != "":
			text.linef("cannot save %s: %s", shown(it.Ref()), it.Failure)
		case it.Note != "":
			text.linef("note: %s: %s", shown(it.Ref()), it.Note)
		}
	}
	text.leftOut(plan.Skipped, plan.Layers, plan.Notes)
	text.linef("nothing was done (dry run)")
	return text.err
}

// describeGroup names the containers of a group and what is done to each.
func describeGroup(g backup.Group) string {
	members := make([]string, len(g.Containers))
	for i, m := range g.Containers {
		members[i] = fmt.Sprintf("%s %s", m.Hold, m.Name)
		if m.Hold == backup.HoldNone {
			members[i] = "leave " + m.Name
		}
		if m.Why != "" {
			members[i] += " (" + m.Why + ")"
		}
	}
	return strings.Join(members, ", ")
}

// announceCreate says what is about to happen before any container is touched.
func announceCreate(say func(string), plan *backup.CreatePlan) {
	say(fmt.Sprintf("saving %s", countKinds(plan.Items)))
	for _, g := range plan.Groups {
		say(fmt.Sprintf("will hold together for a moment: %s", describeGroup(g)))
	}
}

// countKinds is "2 volumes, 1 image, 3 definitions".
func countKinds(items []backup.PlannedItem) string {
	counts := map[string]int64{}
	for _, it := range items {
		counts[it.Kind]++
	}
	var parts []string
	for _, kind := range kindOrder() {
		if counts[kind] > 0 {
			parts = append(parts, count(counts[kind], kindNoun(kind)))
		}
	}
	return strings.Join(parts, ", ")
}

// kindNoun is what people call an item of a kind.
func kindNoun(kind string) string {
	switch kind {
	case backup.KindBind:
		return "bind mount"
	case backup.KindPath:
		return "folder"
	case backup.KindRWLayer:
		return "writable layer"
	case backup.KindDefinition:
		return "definition"
	}
	return kind
}

// kindOrder is the order in which kinds are named: what holds data first.
func kindOrder() []string {
	return []string{backup.KindVolume, backup.KindBind, backup.KindPath, backup.KindRWLayer, backup.KindImage,
		backup.KindContainer, backup.KindNetwork, backup.KindDefinition}
}

// holdsData tells items with data of their own from definitions, which are only counted on the screen.
func holdsData(kind string) bool {
	switch kind {
	case backup.KindContainer, backup.KindNetwork, backup.KindDefinition:
		return false
	}
	return true
}

// writeReport prints the summary of a run of create.
func writeReport(w io.Writer, r *backup.Report) error {
	text := &textWriter{w: w}
	t := newTable(">FILES", ">SIZE", ">NEW", ">STORED", "HOW", "ITEM")
	definitions := int64(0)
	for _, it := range r.Items {
		if !holdsData(it.Kind) {
			definitions++
			continue
		}
		files := "-"
		if it.Kind != backup.KindImage {
			files = fmt.Sprint(it.Files)
		}
		t.row(files, size(it.Bytes), size(it.BytesNew), size(it.Stored), howRead(it), shown(it.Ref()))
	}
	if len(t.rows) > 1 {
		text.table(t)
	}
	if definitions > 0 {
		text.linef("and %s of containers, networks and volumes", count(definitions, "definition"))
	}
	for _, f := range r.Freezes {
		text.linef("%s %s for %s%s", pastHold(f.Hold), strings.Join(f.Containers, ", "), seconds(f.Seconds),
			ifThen(f.Exceeded, ", let go before all was read (--max-freeze)"))
	}
	text.leftOut(r.Skipped, r.Layers, r.Notes)
	text.problems(r.Problems)
	text.totals(r)
	return text.err
}

func (t *textWriter) totals(r *backup.Report) {
	if r.Snapshot == "" {
		t.linef("no snapshot was made")
		return
	}
	ratio := ""
	if r.Totals.Stored > 0 {
		ratio = fmt.Sprintf(" (ratio %.1f)", r.Totals.Ratio())
	}
	t.linef("%s, %s, %s; read %s, new %s, stored %s%s in %s",
		count(int64(r.Totals.Items), "item"), count(r.Totals.Files, "file"), size(r.Totals.Bytes),
		size(r.Totals.BytesRead), size(r.Totals.BytesNew), size(r.Totals.Stored), ratio, seconds(r.Seconds))
	t.linef("snapshot %s saved%s", r.Snapshot, ifThen(!r.Complete, ", but it is not complete"))
}

// howRead says in one word how the writers of an item were held.
func howRead(it backup.ItemReport) string {
	switch {
	case !it.Saved:
		return "failed"
	case it.Reused:
		return "reused"
	case it.Kind == backup.KindImage:
		return "exported"
	case it.Consistency == "":
		return "live"
	case it.Consistency != backup.ConsistencyLive && !it.Consistent:
		return "inconsistent"
	case it.Via != "":
		return string(it.Via)
	}
	return string(it.Consistency)
}

func pastHold(hold backup.Hold) string {
	switch hold {
	case backup.HoldPause:
		return "paused"
	case backup.HoldStop:
		return "stopped"
	}
	return "held"
}

func sizeIfKnown(n int64) string {
	if n == backup.UnknownSize {
		return "-"
	}
	return size(n)
}

func seconds(s float64) string { return span(time.Duration(s * float64(time.Second))) }

func ifThen(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}
