package main

import (
	"errors"

	"davit/engine/systemd"
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

func (h *host) migrateStatusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "Say on which root the engine is, how far a migration is, and what to do",
		UsageText: "davit migrate status [FLAGS]",
		Description: paragraph("While a migration is at work this follows it to its end; --no-wait only looks.") +
			examples("davit migrate status", "davit migrate status --json | jq -r .outcome") +
			exitCodes(exitDone, exitFailed, exitUsage, exitPartial),
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-wait", Usage: "do not follow a migration that is at work"},
			progressFlag(), jsonFlag(),
		},
		Action: h.migrateStatus,
	}
}

func (h *host) migrateStatus(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	if err := checkProgress(c); err != nil {
		return err
	}
	stateDir := global(c, "state-dir")
	if !c.Bool("no-wait") && systemd.Running() && migrate.Busy(stateDir) {
		return withManager(c.Context, func(conn *systemd.Conn) error { return h.attach(c, conn) })
	}
	s, err := migrate.Load(stateDir)
	if errors.Is(err, migrate.ErrNone) {
		return h.noMigration(c)
	}
	if err != nil {
		return err
	}
	return h.writeMigration(c, s)
}

func (h *host) noMigration(c *cli.Context) error {
	if c.Bool("json") {
		return writeJSON(h.out, struct {
			Outcome string `json:"outcome"`
		}{"none"})
	}
	text := &textWriter{w: h.out}
	text.linef("no migration")
	return text.err
}
