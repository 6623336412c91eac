package main

import (
	"fmt"
	"io"
	"strings"

	"davit/backup"
)

// writeRestorePlan prints what a restore would do.
func writeRestorePlan(w io.Writer, plan *backup.RestorePlan) error {
	text := &textWriter{w: w}
	text.linef("snapshot %s of %s, %s", plan.Snapshot, plan.Host, clock(plan.Time))
	t := newTable("ACTION", ">SIZE", "ITEM")
	for _, s := range plan.Steps {
		t.row(actionWords(s.Action), stepSize(s), stepWords(s))
	}
	if len(plan.Steps) > 0 {
		text.table(t)
	}
	for _, n := range plan.Notes {
		text.linef("note: %s", n)
	}
	for _, r := range plan.Refused {
		text.linef("refused: %s%s%s", ifThen(r.Item != "", shown(r.Item)+": "), r.Reason, ifThen(r.Hint != "", " ("+r.Hint+")"))
	}
	return text.err
}

// actionWords is an action as people say it.
func actionWords(a backup.RestoreAction) string { return strings.ReplaceAll(string(a), "-", " ") }

// stepSize is how much a step writes; definitions have no size to speak of.
func stepSize(s backup.RestoreStep) string {
	if !holdsData(s.Kind) {
		return "-"
	}
	return sizeIfKnown(s.Bytes)
}

// stepWords is "volume/pgdata//base/1 -> /tmp/look; stops web (note)".
func stepWords(s backup.RestoreStep) string {
	words := shown(s.Ref())
	if s.Path != "" {
		words += "//" + s.Path
	}
	if s.Target != "" && s.Target != s.Name {
		words += " -> " + s.Target
	}
	if len(s.Stops) > 0 {
		words += "; stops " + strings.Join(s.Stops, ", ")
	}
	return words + ifThen(s.Note != "", " ("+s.Note+")")
}

// writeRestoreReport prints the summary of a restore.
func writeRestoreReport(w io.Writer, r *backup.RestoreReport) error {
	text := &textWriter{w: w}
	t := newTable("ACTION", ">FILES", ">SIZE", "ITEM")
	for _, s := range r.Steps {
		files := "-"
		if s.Files > 0 {
			files = fmt.Sprint(s.Files)
		}
		action := actionWords(s.Action)
		if !s.Done {
			action += " FAILED"
		}
		t.row(action, files, stepSize(s.RestoreStep), stepWords(s.RestoreStep))
	}
	if len(r.Steps) > 0 {
		text.table(t)
	}
	for _, f := range r.Freezes {
		text.linef("%s %s for %s", pastHold(f.Hold), strings.Join(f.Containers, ", "), seconds(f.Seconds))
	}
	text.layers(r.Layers)
	text.problems(r.Problems)
	text.linef("restored from snapshot %s: %s, %s in %s", r.Snapshot, count(r.Files, "file"), size(r.Bytes), seconds(r.Seconds))
	if r.InPlace != "" {
		text.linef("the old data is kept as %s:", r.InPlace)
		text.linef("  davit backup restore --commit %s     deletes it", r.InPlace)
		text.linef("  davit backup restore --rollback %s   puts it back", r.InPlace)
	}
	return text.err
}
