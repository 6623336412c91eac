package main

import (
	"fmt"
	"io"
	"strings"

	"davit/backup"

	"github.com/urfave/cli/v2"
)

// settleInPlace ends a restore in place: its old data goes, or comes back.
func (h *host) settleInPlace(c *cli.Context) error {
	args, err := arguments(c, 0, "ID")
	if err != nil {
		return err
	}
	chosen := 0
	for _, flag := range []string{"commit", "rollback", "kept", "in-place"} {
		if c.Bool(flag) {
			chosen++
		}
	}
	if chosen > 1 {
		return misuse(c, "only one of --in-place, --commit, --rollback and --kept can be meant", "")
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	kept, err := backup.InPlaceRestores(c.Context, env)
	if err != nil {
		return err
	}
	if c.Bool("kept") || c.Bool("dry-run") {
		return h.writeKept(c, kept)
	}
	closeEngine, err := h.withEngine(c, env)
	if err != nil {
		return err
	}
	defer closeEngine()
	settle, question, done := backup.CommitInPlace, "Delete the old data of", "deleted the old data of"
	if c.Bool("rollback") {
		settle, question, done = backup.RollbackInPlace, "Delete what was restored and put the old data back:", "put back the old data of"
	}
	id := strings.Join(args, "")
	if err := h.confirm(c, fmt.Sprintf("%s %s?", question, ifElse(id == "", "the restore in place", id))); err != nil {
		return err
	}
	settled, err := settle(c.Context, env, id)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(h.out, settled)
	}
	text := &textWriter{w: h.out}
	text.linef("%s %s (%s)", done, strings.Join(settled.Volumes, ", "), size(settled.Bytes))
	return text.err
}

func (h *host) writeKept(c *cli.Context, kept []backup.InPlaceRestore) error {
	if !c.Bool("json") {
		return writeKeptTable(h.out, kept)
	}
	for _, k := range kept {
		if err := writeJSON(h.out, k); err != nil {
			return err
		}
	}
	return nil
}

func writeKeptTable(w io.Writer, kept []backup.InPlaceRestore) error {
	t := newTable("ID", "TIME", "SNAPSHOT", ">KEPT", "VOLUMES")
	for _, k := range kept {
		t.row(k.ID, clock(k.Time), k.Snapshot, size(k.Bytes), strings.Join(k.Volumes, ", "))
	}
	return t.write(w)
}
