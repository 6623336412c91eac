package main

import (
	"fmt"

	"davit/engine/systemd"
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

func (h *host) migrateRollbackCommand() *cli.Command {
	return &cli.Command{
		Name:      "rollback",
		Usage:     "Go back to the old root",
		UsageText: "davit migrate rollback [--lose-writes | --sync-back] [--yes] [FLAGS]",
		Description: paragraph("A migration that is at work is stopped and undone. After one that is done, containers have written into the new "+
			"root: --lose-writes leaves that there, --sync-back first brings the old root up to date, most of it while they run. "+
			"After commit there is no way back.") +
			examples("davit migrate rollback --lose-writes", "davit migrate rollback --sync-back --yes") +
			exitCodes(exitDone, exitFailed, exitUsage, exitPartial),
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "lose-writes", Usage: "give up what was written since the move"},
			&cli.BoolFlag{Name: "sync-back", Usage: "bring the old root up to date first"},
			yesFlag(), progressFlag(), jsonFlag(),
		},
		Action: h.migrateRollback,
	}
}

func (h *host) migrateRollback(c *cli.Context) error {
	if c.Bool("lose-writes") && c.Bool("sync-back") {
		return misuse(c, "--lose-writes and --sync-back exclude each other", "")
	}
	if h.euid != 0 {
		return errNeedsRoot
	}
	stateDir := global(c, "state-dir")
	s, err := migrate.Load(stateDir)
	if err != nil {
		return err
	}
	if migrate.Busy(stateDir) {
		return h.abortMigration(c)
	}
	if s.Outcome == "" { // its worker is dead
		if s, err = h.recoverMigration(c); err != nil {
			return err
		}
		if s == nil || !s.OnNewRoot() {
			return h.migrateStatus(c)
		}
	}
	if s.LosesWrites() && !c.Bool("lose-writes") && !c.Bool("sync-back") {
		return writesError{s.Plan.ID}
	}
	if c.Bool("sync-back") {
		return h.migrateAgain(migrate.ActionSyncBack, "Bring the old root up to date and go back to it?")(c)
	}
	question := "Go back to the old root?"
	if s.LosesWrites() {
		question = "Go back to the old root, without what was written since the move?"
	}
	return h.migrateAgain(migrate.ActionRollback, question)(c)
}

// abortMigration stops a worker, which undoes what it did.
func (h *host) abortMigration(c *cli.Context) error {
	if err := h.confirm(c, "Stop the migration that is at work, and undo it?"); err != nil {
		return err
	}
	return withManager(c.Context, func(conn *systemd.Conn) error {
		if err := migrate.Stop(c.Context, conn); err != nil {
			return err
		}
		s, err := migrate.Load(global(c, "state-dir"))
		if err != nil {
			return err
		}
		if err := h.writeMigration(c, s); err != nil {
			return err
		}
		if s.Outcome == migrate.RolledBack || s.Outcome == migrate.Interrupted {
			return nil
		}
		return outcomeError(s)
	})
}

// writesError is a rollback that would lose what containers wrote.
type writesError struct{ id string }

func (e writesError) Error() string {
	return fmt.Sprintf("containers have written into the new root since migration %s", e.id)
}
