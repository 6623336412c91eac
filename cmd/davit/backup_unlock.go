package main

import (
	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupUnlockCommand() *cli.Command {
	return &cli.Command{
		Name:      "unlock",
		Usage:     "Show who uses a repository, and clear what the dead left",
		UsageText: "davit backup unlock --repo DIR [--force] [--json]",
		Description: paragraph("A lock goes away with its process, so there is none to remove. What remains of a backup that died on another "+
			"host counts as alive for a day and keeps gc waiting; --force removes it when you know that it is dead. "+
			"What holds its lock always stays.") +
			examples("davit backup unlock --repo /srv/backup", "davit backup unlock --repo /srv/backup --force") +
			exitCodes(exitDone, exitUsage, exitNoRepository, exitInterrupted),
		Flags: []cli.Flag{
			repoFlag(),
			&cli.BoolFlag{Name: "force", Usage: "remove those as well of which it cannot be told whether they live"},
			yesFlag(),
			jsonFlag(),
		},
		Action: h.backupUnlock,
	}
}

func (h *host) backupUnlock(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readWrite)
	if err != nil {
		return err
	}
	defer closeRepo()
	if c.Bool("force") {
		if err := h.confirm(c, "Are the backups without a sign of life dead?"); err != nil {
			return err
		}
	}
	removed, kept, err := env.Repo.Unlock(c.Context, c.Bool("force"))
	if err != nil {
		return err
	}
	locks, err := env.Repo.Locks()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(h.out, struct {
			Removed []repo.SessionState `json:"removed"`
			Kept    []repo.SessionState `json:"kept"`
			Locks   []*repo.LockedError `json:"locks"`
		}{append([]repo.SessionState{}, removed...), append([]repo.SessionState{}, kept...), append([]*repo.LockedError{}, locks...)})
	}
	text := &textWriter{w: h.out}
	for _, s := range removed {
		text.linef("removed what %s left, last seen %s", s, clock(s.Seen))
	}
	for _, s := range kept {
		text.linef("%s %s, last seen %s", ifElse(s.Locked, "at work:", "may be alive:"), s, clock(s.Seen))
	}
	for _, l := range locks {
		text.linef("%s", l)
	}
	if len(removed)+len(kept)+len(locks) == 0 {
		text.linef("nobody uses the repository")
	}
	return text.err
}
