package main

import (
	"errors"
	"io"
	"slices"

	"davit/backup"
	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupRepairCommand() *cli.Command {
	return &cli.Command{
		Name:      "repair",
		Usage:     "Make the index anew without what is missing or damaged",
		UsageText: "davit backup repair --repo DIR [--read-data] [--dry-run] [flags]",
		Description: paragraph("Blobs that are missing, or that verify found damaged, leave the index: the next backup reads the source again "+
			"and stores them anew, and in a repository that is not encrypted old snapshots are whole again. "+
			"The files that are hit are told. Snapshots of which a manifest cannot be read stay unless --drop-unreadable is given; "+
			"as long as there is one, gc removes nothing, since that snapshot might need anything.") +
			examples(
				"davit backup repair --repo /srv/backup",
				"davit backup repair --repo /srv/backup --read-data",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitLocked, exitInterrupted),
		Flags: []cli.Flag{
			repoFlag(),
			&cli.BoolFlag{Name: "read-data", Usage: "read everything first, to find what is damaged"},
			&cli.BoolFlag{Name: "drop-unreadable", Usage: "forget the snapshots that cannot be read"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only show what cannot be read"},
			yesFlag(),
			progressFlag(),
			jsonFlag(),
		},
		Action: h.backupRepair,
	}
}

// repairReport is the answer of repair.
type repairReport struct {
	Unreadable []unreadable         `json:"unreadable"` // snapshots
	Damaged    []backup.DamagedBlob `json:"damaged"`    // and what they hit
	Dropped    []string             `json:"dropped"`    // of them, by id
	Index      []unreadable         `json:"index"`      // damaged index files, which are gone after a repair
	Removals   []int64              `json:"removals"`   // by gc, ended since they were damaged
	Records    int                  `json:"records"`    // in the index now
	Missing    []string             `json:"missing"`    // blobs that snapshots need and that are not there

	read bool // everything was
}

func (r *repairReport) nothing() bool {
	return len(r.Unreadable)+len(r.Damaged)+len(r.Index)+len(r.Removals)+len(r.Missing) == 0
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
	report.read = c.Bool("read-data")
	if err := h.findDamage(c, env, report); err != nil {
		return err
	}
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

// findDamage looks for what is damaged, as far as it is known or asked for.
func (h *host) findDamage(c *cli.Context, env *backup.Env, report *repairReport) error {
	p := h.startProgress(c, "read")
	defer p.close()
	env.Reporter = p
	found, err := backup.FindDamage(c.Context, env, c.Bool("read-data"))
	report.Damaged = append(report.Damaged, found...)
	return err
}

func newRepairReport(r *repo.Repository, problems []repo.SnapshotProblem) *repairReport {
	report := &repairReport{Unreadable: []unreadable{}, Damaged: []backup.DamagedBlob{}, Dropped: []string{}, Index: []unreadable{}, Removals: []int64{}, Missing: []string{}}
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
	var damaged []repo.Digest
	for _, blob := range report.Damaged {
		if d, err := repo.ParseDigest(blob.Digest); err == nil {
			damaged = append(damaged, d)
		}
	}
	rebuilt, err := r.RebuildIndex(c.Context, damaged...)
	if err != nil {
		return err
	}
	report.Records = rebuilt.Records
	for _, d := range rebuilt.Missing {
		if !slices.Contains(damaged, d) {
			report.Missing = append(report.Missing, d.String())
		}
	}
	return r.WriteIndexJSON(c.Context)
}

// err tells that something is left that a repair does not mend.
func (r *repairReport) err() error {
	left := len(r.Missing) + len(r.Damaged) + len(r.Unreadable) - len(r.Dropped)
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
	text.damaged(r.Damaged)
	for _, n := range r.Removals {
		text.linef("removal %d is damaged: given up, the next gc begins anew", n)
	}
	for _, d := range r.Missing {
		text.linef("missing %s", d)
	}
	if r.Records > 0 {
		text.linef("index rebuilt: %s", count(int64(r.Records), "blob"))
		if len(r.Missing)+len(r.Damaged) > 0 {
			text.linef("the next backup stores what is missing or damaged again, where the source still has it")
		}
	} else if r.nothing() {
		text.linef("nothing is known to be damaged%s", ifThen(!r.read, "; --read-data reads everything to find out"))
	}
	return text.err
}
