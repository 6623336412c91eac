package main

import (
	"fmt"
	"io"
	"strings"

	"davit/backup"
)

// textWriter prints an answer for people line by line and keeps the first error, such as a full disk behind a
// redirected output.
type textWriter struct {
	w   io.Writer
	err error
}

// linef prints a line; whatever the arguments hold, it stays one line.
func (t *textWriter) linef(format string, a ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintln(t.w, visible(fmt.Sprintf(format, a...)))
	}
}

func (t *textWriter) table(table *table) {
	if t.err == nil {
		t.err = table.write(t.w)
	}
}

// leftOut names what is not in a snapshot: never silent.
func (t *textWriter) leftOut(skipped []backup.Skipped, layers []backup.UnsavedLayer, notes []string) {
	for _, s := range skipped {
		t.linef("left out %s: %s%s", shown(backup.FormatItem(s.Kind, s.Name)), s.Reason, ifThen(s.Hint != "", " ("+s.Hint+")"))
	}
	t.layers(layers)
	for _, n := range notes {
		t.linef("note: %s", n)
	}
}

func (t *textWriter) layers(layers []backup.UnsavedLayer) {
	for _, l := range layers {
		t.linef("not saved: %s that container %s wrote into its own file system (--rw-layers saves it)", size(l.Bytes), l.Container)
	}
}

func (t *textWriter) problems(problems []backup.Problem) {
	for _, p := range problems {
		t.linef("problem: %s: %s", problemPlace(p), p.Reason)
	}
}

// problemPlace is "volume/pgdata//base/1", the way a restore would name it.
func problemPlace(p backup.Problem) string {
	switch {
	case p.Item == "":
		return p.Path
	case p.Path == "":
		return shown(p.Item)
	}
	return shown(p.Item) + "//" + p.Path
}

// shown is an item's KIND/NAME as it is easiest to read and may still be typed: a colon stands for itself.
func shown(ref string) string { return strings.ReplaceAll(ref, "%3A", ":") }
