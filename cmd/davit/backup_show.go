package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"davit/backup"

	"github.com/urfave/cli/v2"
)

func (h *host) backupShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "Show what a snapshot holds, or one item of it",
		UsageText: "davit backup show --repo DIR SNAPSHOT[:KIND/NAME] [flags]",
		Description: paragraph("Values of environment variables in definitions are not shown without --secrets.") +
			examples(
				"davit backup show --repo /srv/backup latest",
				"davit backup show --repo /srv/backup latest:container/web",
			) + exitCodes(exitDone, exitUsage, exitNoRepository, exitDamaged),
		Flags: append([]cli.Flag{repoFlag(),
			&cli.BoolFlag{Name: "secrets", Usage: "show values of environment variables, too"}, jsonFlag()}, whoseFlags()...),
		Action: h.backupShow,
	}
}

func (h *host) backupShow(c *cli.Context) error {
	args, err := arguments(c, 1, "SNAPSHOT")
	if err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	detail, err := backup.Show(c.Context, env, backup.ShowOptions{Spec: args[0], Query: whose(c), Secrets: c.Bool("secrets")})
	switch {
	case err != nil:
		return err
	case c.Bool("json"):
		return writeJSON(h.out, detail)
	case strings.Contains(args[0], ":"):
		return writeItems(h.out, detail)
	}
	return writeSnapshot(h.out, detail)
}

// writeSnapshot prints a snapshot and a line for each item.
func writeSnapshot(w io.Writer, s *backup.SnapshotDetail) error {
	text := &textWriter{w: w}
	text.linef("snapshot %s of %s, %s", s.ID, s.Host, clock(s.Time))
	text.linef("%s, %s, %s%s", ifElse(s.Complete, "complete", "not complete"), count(s.Files, "file"), size(s.Bytes),
		ifThen(s.Job != "", ", job "+s.Job)+ifThen(len(s.Tags) > 0, ", tags "+strings.Join(s.Tags, " ")))
	text.linef("made by davit %s%s%s", s.Davit, ifThen(s.Engine != "", ", engine "+s.Engine),
		ifThen(s.Consistency != "", ", consistency "+s.Consistency))
	text.linef("")
	t := newTable(">FILES", ">SIZE", "HELD", "ITEM")
	for _, it := range byKind(s.Contents) {
		files, bytes := "-", "-"
		if holdsData(it.Kind) {
			bytes = size(it.Bytes)
			if it.Kind != backup.KindImage {
				files = fmt.Sprint(it.Files)
			}
		}
		t.row(files, bytes, held(it), shown(it.Ref())+ifThen(it.Problems > 0, fmt.Sprintf("  (%s)", count(int64(it.Problems), "problem"))))
	}
	text.table(t)
	return text.err
}

// byKind returns the items in the order in which kinds are named.
func byKind(items []backup.ItemInfo) []backup.ItemInfo {
	order := kindOrder()
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b backup.ItemInfo) int {
		return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
	})
	return items
}

// held says how the writers of an item were held while it was read.
func held(it backup.ItemInfo) string {
	switch {
	case it.Consistency == "" || !holdsData(it.Kind) || it.Kind == backup.KindImage:
		return "-"
	case it.Consistency != string(backup.ConsistencyLive) && !it.Consistent:
		return "inconsistent"
	}
	return it.Consistency
}

// writeItems prints all that is known of the items that were asked for.
func writeItems(w io.Writer, s *backup.SnapshotDetail) error {
	text := &textWriter{w: w}
	for _, it := range s.Contents {
		text.linef("item %s of snapshot %s, %s", shown(it.Ref()), s.ID, clock(s.Time))
		text.linef("digest %s", it.Digest)
		if it.Entries > 0 {
			text.linef("%s, %s, %s", count(it.Files, "file"), countEntries(it.Entries), size(it.Bytes))
		}
		if it.Source != "" {
			text.linef("from %s", it.Source)
		}
		if it.ImageID != "" {
			text.linef("image id %s", it.ImageID)
		}
		if it.Consistency != "" {
			text.linef("consistency %s", held(it))
		}
		if it.Problems > 0 {
			text.linef("%s when it was saved", count(int64(it.Problems), "problem"))
		}
		text.document(it.Document)
	}
	return text.err
}

func countEntries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return strings.TrimSuffix(count(n, "entry"), "entrys") + "entries"
}

// document prints a JSON document, indented and without the escapes that only HTML needs.
func (t *textWriter) document(doc json.RawMessage) {
	if len(doc) == 0 || t.err != nil {
		return
	}
	var content any
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber() // as it was written, not as a float
	if t.err = d.Decode(&content); t.err != nil {
		return
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if t.err = e.Encode(content); t.err != nil {
		return
	}
	for line := range strings.Lines(b.String()) {
		t.linef("%s", strings.TrimSuffix(line, "\n"))
	}
}

func ifElse(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}
