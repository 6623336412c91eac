package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"davit/engine/systemd"
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

func (h *host) migrateRunCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "Move the data: copy, stop, last changes, compare, start on the new root",
		UsageText: "davit migrate run --to DIR [--yes] [FLAGS]",
		Description: paragraph("Shows the plan and asks. The terminal may go meanwhile: davit migrate status attaches again. Anything that "+
			"goes wrong before the first container runs on the new root is undone, and the engine runs on the old one again. The old root "+
			"is not touched; davit migrate commit gives it up, davit migrate rollback goes back to it.") +
			examples(
				"davit migrate run --to /mnt/big/docker",
				"davit migrate run --to /mnt/big --store all --verify full --yes",
				"davit migrate run --to /mnt/big/docker --max-downtime 5m --bwlimit 50MB --yes",
			) + exitCodes(exitDone, exitFailed, exitUsage, exitPartial, exitLocked, exitUnreachable, exitDamaged, exitInterrupted),
		Flags:  append(migrateFlags(), &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "the same as plan"}, yesFlag(), progressFlag(), jsonFlag()),
		Action: h.migrateRun,
	}
}

func (h *host) migrateRun(c *cli.Context) error {
	if c.Bool("dry-run") {
		return h.migratePlan(c)
	}
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	if err := checkProgress(c); err != nil {
		return err
	}
	stateDir := global(c, "state-dir")
	if err := h.beforeMigration(c); err != nil {
		return err
	}
	plan, err := h.makeMigratePlan(c)
	if plan == nil {
		return err
	}
	if text := writeMigratePlan(h.err, plan); text != nil {
		return text
	}
	if err != nil {
		return err
	}
	if err := h.confirm(c, "Move it?"); err != nil {
		return err
	}
	if err := migrate.Create(stateDir, plan, h.now); err != nil {
		return err
	}
	return h.launch(c)
}

// beforeMigration makes sure that no other one is in the way, and that nothing is frozen which a run would take for what
// its owner wants. Whoever is not root, or has no systemd, is refused later.
func (h *host) beforeMigration(c *cli.Context) error {
	if h.euid != 0 || !systemd.Running() {
		return nil
	}
	err := withManager(c.Context, func(conn *systemd.Conn) error {
		return migrate.InTheWay(c.Context, conn, global(c, "state-dir"))
	})
	if err != nil {
		return err
	}
	return h.thaw(c)
}

// launch starts a worker for what the journal orders and stays until that has ended.
func (h *host) launch(c *cli.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return withManager(c.Context, func(conn *systemd.Conn) error {
		if err := migrate.Launch(c.Context, conn, exe, global(c, "state-dir")); err != nil {
			return err
		}
		return h.attach(c, conn)
	})
}

// attach shows what the worker does, and how it ended.
func (h *host) attach(c *cli.Context, conn *systemd.Conn) error {
	p := h.startProgress(c, "moving")
	s, err := migrate.Attach(c.Context, conn, global(c, "state-dir"), migrateProgress{p, h.now})
	p.close()
	var interrupted interruptedError
	if errors.As(err, &interrupted) || errors.Is(err, context.Canceled) {
		return detachedError{cause: context.Cause(c.Context)}
	}
	if err != nil {
		return err
	}
	if err := h.writeMigration(c, s); err != nil {
		return err
	}
	return outcomeError(s)
}

// migrateProgress shows a worker's progress on our screen.
type migrateProgress struct {
	*progress
	now func() time.Time
}

// Start implements migrate.Reporter.
func (p migrateProgress) Start(bytes, _ int64) { p.total.Store(bytes) }

// Down implements migrate.Reporter: the clock of the downtime stands behind what is done.
func (p migrateProgress) Down(since time.Time) {
	item := p.item.Load()
	if since.IsZero() || item == nil {
		return
	}
	p.Item(fmt.Sprintf("%s, containers down for %s", *item, span(p.now().Sub(since))))
}

// detachedError ends a command whose terminal goes while the work goes on.
type detachedError struct{ cause error }

func (e detachedError) Error() string {
	return "no longer attached; the migration goes on (davit migrate status attaches again)"
}
func (e detachedError) Unwrap() error { return e.cause }

// outcomeError is how a migration ended, unless it went well.
func outcomeError(s *migrate.State) error {
	switch {
	case s.Outcome == migrate.Done && s.Action != migrate.ActionRun:
		return errors.New(s.Reason)
	case s.Outcome == migrate.Done && len(s.Report.Problems) > 0:
		return &migrate.PartialError{Problems: s.Report.Problems}
	case s.Outcome == migrate.Done, s.Outcome == migrate.RolledBack && s.Action != migrate.ActionRun:
		return nil
	case s.Outcome == migrate.RolledBack || s.Outcome == migrate.Interrupted:
		return notMovedError{s}
	}
	return leftError{s}
}

// notMovedError is a move that was undone.
type notMovedError struct{ state *migrate.State }

func (e notMovedError) Error() string {
	return "not moved: " + e.state.Reason
}

// leftError is a migration whose worker ended without an end.
type leftError struct{ state *migrate.State }

func (e leftError) Error() string {
	return fmt.Sprintf("the migration stopped at %q and could not be undone: %s", e.state.Step, e.state.Reason)
}
