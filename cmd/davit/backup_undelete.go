package main

import (
	"errors"

	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupUndeleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "undelete",
		Usage:     "Bring forgotten snapshots back, or list them",
		UsageText: "davit backup undelete --repo DIR [SNAPSHOT…] [--json]",
		Description: paragraph("Without an argument it lists what was forgotten and may come back. What gc has removed meanwhile does not.") +
			examples(
				"davit backup undelete --repo /srv/backup",
				"davit backup undelete --repo /srv/backup 3f2a91c0",
			) + exitCodes(exitDone, exitUsage, exitNoRepository, exitLocked, exitInterrupted),
		Flags:  []cli.Flag{repoFlag(), jsonFlag()},
		Action: h.backupUndelete,
	}
}

func (h *host) backupUndelete(c *cli.Context) error {
	specs := c.Args().Slice()
	env, closeRepo, err := h.openBackup(c, access(len(specs) == 0))
	if err != nil {
		return err
	}
	defer closeRepo()
	if len(specs) == 0 {
		list, err := env.Repo.Forgotten()
		if err != nil {
			return err
		}
		return h.writeForgotten(c, list)
	}
	ids, err := env.Repo.Undelete(c.Context, specs)
	if c.Bool("json") {
		return errors.Join(err, writeJSON(h.out, struct {
			Restored []string `json:"restored"`
		}{append([]string{}, ids...)}))
	}
	text := &textWriter{w: h.out}
	for _, id := range ids {
		text.linef("snapshot %s is back", id)
	}
	return errors.Join(err, text.err)
}

func (h *host) writeForgotten(c *cli.Context, list []repo.Forgotten) error {
	if c.Bool("json") {
		for _, f := range list {
			if err := writeJSON(h.out, f); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable("ID", "TIME", "HOST", "JOB", "FORGOTTEN", "BY")
	for _, f := range list {
		t.row(f.ID, clock(f.Time), f.Host, f.Job, clock(f.Removed), f.By)
	}
	return t.write(h.out)
}
