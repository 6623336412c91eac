package main

import (
	"fmt"
	"io"
	"strings"

	"davit/backup"

	"github.com/urfave/cli/v2"
)

func (h *host) backupDiffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "Compare two snapshots, or an item in two of them",
		UsageText: "davit backup diff --repo DIR SNAPSHOT[:KIND/NAME] SNAPSHOT [//PATH]",
		Description: paragraph("It reads the lists of files, and content only where these do not tell. + is added, - removed, M changed.") +
			examples(
				"davit backup diff -r /srv/backup 3f2a91c0 latest",
				"davit backup diff -r /srv/backup 3f2a91c0:volume/www latest //conf",
			) + exitCodes(exitDone, exitUsage, exitNoRepository, exitDamaged),
		Flags:  append([]cli.Flag{repoFlag(), jsonFlag()}, whoseFlags()...),
		Action: h.backupDiff,
	}
}

func (h *host) backupDiff(c *cli.Context) error {
	args, err := arguments(c, 2, "SNAPSHOT SNAPSHOT //PATH")
	if err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	options := backup.DiffOptions{From: args[0], To: args[1], Query: whose(c)}
	if len(args) > 2 {
		options.Path = args[2]
	}
	report, err := backup.Diff(c.Context, env, options)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(h.out, report)
	}
	return writeDiff(h.out, report)
}

func writeDiff(w io.Writer, r *backup.DiffReport) error {
	text := &textWriter{w: w}
	sums := map[string]int{}
	for _, d := range r.Items {
		text.linef("%s %s", sign(d.Status), shown(d.Ref()))
		for _, f := range d.Files {
			sums[f.Status]++
			text.linef("    %s %s%s", sign(f.Status), ifElse(f.Path == "", ".", f.Path), howChanged(f))
		}
	}
	text.linef("differences in %s; files: %d added, %d removed, %d changed", count(int64(len(r.Items)), "item"),
		sums[backup.DiffAdded], sums[backup.DiffRemoved], sums[backup.DiffChanged])
	return text.err
}

func sign(status string) string {
	switch status {
	case backup.DiffAdded:
		return "+"
	case backup.DiffRemoved:
		return "-"
	}
	return "M"
}

// howChanged is the end of a line: what a change is about, with both sizes where they differ.
func howChanged(f backup.FileChange) string {
	if len(f.What) == 0 {
		return ""
	}
	what := strings.Join(f.What, ", ")
	if f.From.Size != f.To.Size {
		what += fmt.Sprintf(": %s -> %s", size(f.From.Size), size(f.To.Size))
	}
	return "  (" + what + ")"
}
