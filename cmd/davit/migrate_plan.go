package main

import (
	"errors"
	"io"

	"davit/migrate"

	"github.com/urfave/cli/v2"
)

func (h *host) migratePlanCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "Show what a move would do and what stands in its way",
		UsageText: "davit migrate plan --to DIR [FLAGS]",
		Description: paragraph("Changes nothing: safe in production. Exit code 0 when a run would be allowed, 1 when something forbids it.") +
			examples("davit migrate plan --to /mnt/big/docker", "davit migrate plan --to /mnt/big --store all --json") +
			exitCodes(exitDone, exitFailed, exitUsage),
		Flags:  append(migrateFlags(), progressFlag(), jsonFlag()),
		Action: h.migratePlan,
	}
}

func (h *host) migratePlan(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	if err := checkProgress(c); err != nil {
		return err
	}
	plan, err := h.makeMigratePlan(c)
	if plan == nil {
		return err
	}
	write := writeMigratePlan
	if c.Bool("json") {
		write = func(w io.Writer, p *migrate.Plan) error { return writeJSON(w, p) }
	}
	return errors.Join(write(h.out, plan), err)
}
