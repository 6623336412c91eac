package main

import (
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

func (h *host) migrateResumeCommand() *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Usage:     "Go on with a migration that was interrupted or undone",
		UsageText: "davit migrate resume [--yes] [FLAGS]",
		Description: paragraph("It begins again with what is on the new root already: only what has changed since is copied, if the last pass "+
			"over the data had ended. The options are those of the run; only --max-downtime can be another one.") +
			examples("davit migrate resume", "davit migrate resume --max-downtime 10m --yes") +
			exitCodes(exitDone, exitFailed, exitUsage, exitPartial, exitLocked, exitDamaged),
		Flags:  []cli.Flag{maxDowntimeFlag(), yesFlag(), progressFlag(), jsonFlag()},
		Action: h.migrateAgain(migrate.ActionRun, "Go on with it?"),
	}
}

// migrateAgain is the action of a command that gives a worker something to do about the migration that there is.
func (h *host) migrateAgain(a migrate.Action, question string) cli.ActionFunc {
	return func(c *cli.Context) error {
		if _, err := arguments(c, 0, ""); err != nil {
			return err
		}
		if err := checkProgress(c); err != nil {
			return err
		}
		if h.euid != 0 {
			return errNeedsRoot
		}
		stateDir := global(c, "state-dir")
		s, err := migrate.Load(stateDir)
		if err == nil && s.Outcome != "" {
			err = migrate.Allowed(s, a)
		}
		if err != nil {
			return err
		}
		if err := h.confirm(c, question); err != nil {
			return err
		}
		if _, err := h.recoverMigration(c); err != nil { // what a dead worker left comes first
			return err
		}
		if c.IsSet("max-downtime") {
			if err := migrate.LimitDowntime(stateDir, c.Duration("max-downtime"), h.now); err != nil {
				return err
			}
		}
		if err := migrate.Order(stateDir, a, h.now); err != nil {
			return err
		}
		return h.launch(c)
	}
}
