package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"davit/backup"
	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupLsCommand() *cli.Command {
	return &cli.Command{
		Name:      "ls",
		Aliases:   []string{"list"},
		Usage:     "List the snapshots of a repository, newest first",
		UsageText: "davit backup ls --repo DIR [--host HOST] [--job JOB] [-q | --json]",
		Description: examples(
			"davit backup ls --repo /srv/backup",
			"davit backup ls --repo /srv/backup --host web1 --json | jq -r .id",
		) + exitCodes(exitDone, exitUsage, exitNoRepository, exitDamaged),
		Flags: append([]cli.Flag{repoFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "only the ids"},
			&cli.StringSliceFlag{Name: "tag", Usage: "only snapshots with this `TAG`; repeated: with all of them"}, jsonFlag()}, whoseFlags()...),
		Action: h.backupLs,
	}
}

func (h *host) backupLs(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	query := whose(c)
	query.Tags = c.StringSlice("tag")
	snapshots, err := backup.List(c.Context, env.Repo, query)
	var unreadable *repo.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return err
	}
	return errors.Join(err, h.writeSnapshots(c, snapshots))
}

func (h *host) writeSnapshots(c *cli.Context, snapshots []backup.SnapshotInfo) error {
	switch {
	case c.Bool("json"):
		for _, s := range snapshots {
			if err := writeJSON(h.out, s); err != nil {
				return err
			}
		}
		return nil
	case c.Bool("quiet"):
		text := &textWriter{w: h.out}
		for _, s := range snapshots {
			text.linef("%s", s.ID)
		}
		return text.err
	}
	return writeSnapshotTable(h.out, snapshots)
}

func writeSnapshotTable(w io.Writer, snapshots []backup.SnapshotInfo) error {
	titles := []string{"ID", "TIME", ">SIZE", ">FILES", ">ITEMS", "STATE", "HOST", "JOB"}
	tagged := slices.ContainsFunc(snapshots, func(s backup.SnapshotInfo) bool { return len(s.Tags) > 0 })
	if tagged {
		titles = append(titles, "TAGS")
	}
	t := newTable(titles...)
	for _, s := range snapshots {
		items := 0
		for kind, n := range s.Items {
			if holdsData(kind) {
				items += n
			}
		}
		cells := []string{s.ID, clock(s.Time), size(s.Bytes), fmt.Sprint(s.Files), fmt.Sprint(items), state(s.Complete), s.Host, s.Job}
		if tagged {
			cells = append(cells, strings.Join(s.Tags, " "))
		}
		t.row(cells...)
	}
	return t.write(w)
}

func state(complete bool) string {
	if complete {
		return "ok"
	}
	return "part"
}
