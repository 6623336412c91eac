package main

import (
	"errors"
	"io"

	"davit/backup"
	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupRepairCommand() *cli.Command {
	return &cli.Command{
		Name:      "repair",
		Usage:     "Make the index and index.json anew from the manifests",
		UsageText: "davit backup repair --repo DIR [--drop-unreadable] [--dry-run] [flags]",
		Description: paragraph("Blobs that are missing leave the index: the next backup stores them again where the source still has them, and "+
			"old snapshots are whole again. Snapshots of which a manifest cannot be read stay unless --drop-unreadable is given; "+
			"as long as there is one, gc removes nothing, since that snapshot might need anything.") +
			examples(
				"davit backup repair --repo /srv/backup",
				"davit backup repair --repo /srv/backup --drop-unreadable -n",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitLocked, exitInterrupted),
		Flags: []cli.Flag{
			repoFlag(),
			&cli.BoolFlag{Name: "drop-unreadable", Usage: "forget the snapshots that cannot be read"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only show what cannot be read"},
			yesFlag(),
			jsonFlag(),
		},
		Action: h.backupRepair,
	}
}

// repairReport is the answer of repair.
type repairReport struct {
	Unreadable []unreadable `json:"unreadable"` // snapshots
	Dropped    []string     `json:"dropped"`    // of them, by id
	Index      []unreadable `json:"index"`      // damaged index files, which are gone after a repair
	Removals   []int64      `json:"removals"`   // by gc, ended since they were damaged
	Records    int          `json:"records"`    // in the index now
	Missing    []string     `json:"missing"`    // blobs that snapshots need and that are not there
}

type unreadable struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func (h *host) backupRepair(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, access(c.Bool("dry-run")))
	if err != nil {
		return err
	}
	defer closeRepo()
	problems, err := env.Repo.Unreadable(c.Context)
	if err != nil {
		return err
	}
	report := newRepairReport(env.Repo, problems)
	if !c.Bool("dry-run") {
		if err := h.repair(c, env.Repo, report); err != nil {
			return err
		}
	}
	write := writeRepair
	if c.Bool("json") {
		write = func(w io.Writer, r *repairReport) error { return writeJSON(w, r) }
	}
	return errors.Join(report.err(), write(h.out, report))
}

func newRepairReport(r *repo.Repository, problems []repo.SnapshotProblem) *repairReport {
	report := &repairReport{Unreadable: []unreadable{}, Dropped: []string{}, Index: []unreadable{}, Removals: []int64{}, Missing: []string{}}
	for _, p := range problems {
		report.Unreadable = append(report.Unreadable, unreadable{p.ID, oneLine(p.Err)})
	}
	for _, p := range r.IndexProblems() {
		report.Index = append(report.Index, unreadable{p.File, oneLine(p.Err)})
	}
	return report
}

// repair drops what it may and rebuilds the rest.
func (h *host) repair(c *cli.Context, r *repo.Repository, report *repairReport) error {
	if c.Bool("drop-unreadable") && len(report.Unreadable) > 0 {
		if !c.Bool("yes") && h.inTTY {
			if err := writeUnreadable(h.err, report); err != nil {
				return err
			}
		}
		if err := h.confirm(c, "Forget these snapshots?"); err != nil {
			return err
		}
		var ids []string
		for _, u := range report.Unreadable {
			ids = append(ids, u.Name)
		}
		dropped, err := r.Drop(c.Context, ids)
		if report.Dropped = append(report.Dropped, dropped...); err != nil {
			return err
		}
	}
	mended, err := r.MendGC(c.Context)
	if err != nil {
		return err
	}
	report.Removals = append(report.Removals, mended...)
	rebuilt, err := r.RebuildIndex(c.Context)
	if err != nil {
		return err
	}
	report.Records = rebuilt.Records
	for _, d := range rebuilt.Missing {
		report.Missing = append(report.Missing, d.String())
	}
	return r.WriteIndexJSON(c.Context)
}

// err tells that something is left that a repair does not mend.
func (r *repairReport) err() error {
	left := len(r.Missing) + len(r.Unreadable) - len(r.Dropped)
	if left == 0 {
		return nil
	}
	return &backup.PartialError{Action: "repair", Problems: left}
}

func writeUnreadable(w io.Writer, r *repairReport) error {
	text := &textWriter{w: w}
	for _, u := range r.Unreadable {
		text.linef("snapshot %s cannot be read: %s", u.Name, u.Reason)
	}
	return text.err
}

func writeRepair(w io.Writer, r *repairReport) error {
	if err := writeUnreadable(w, r); err != nil {
		return err
	}
	text := &textWriter{w: w}
	for _, id := range r.Dropped {
		text.linef("snapshot %s dropped", id)
	}
	for _, u := range r.Index {
		text.linef("index file %s is damaged: %s", u.Name, u.Reason)
	}
	for _, n := range r.Removals {
		text.linef("removal %d is damaged: given up, the next gc begins anew", n)
	}
	for _, d := range r.Missing {
		text.linef("missing %s", d)
	}
	if r.Records > 0 {
		text.linef("index rebuilt: %s", count(int64(r.Records), "blob"))
	}
	return text.err
}
