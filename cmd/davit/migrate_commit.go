package main

import (
	"strings"

	"davit/migrate"

	"github.com/urfave/cli/v2"
)

func (h *host) migrateCommitCommand() *cli.Command {
	return &cli.Command{
		Name:      "commit",
		Usage:     "Give the old root up: rename it aside, or delete it",
		UsageText: "davit migrate commit [--delete-old] [--yes] [--json]",
		Description: paragraph("Refused while a mount, an open file or a container's bind mount is in the old root. After it there is no rollback. "+
			"What was put aside by a commit goes with another commit --delete-old.") +
			examples("davit migrate commit", "davit migrate commit --delete-old --yes") + exitCodes(exitDone, exitFailed, exitUsage, exitUnreachable),
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "delete-old", Usage: "delete the old root"},
			yesFlag(), jsonFlag(),
		},
		Action: h.migrateCommit,
	}
}

func (h *host) migrateCommit(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	if h.euid != 0 {
		return errNeedsRoot
	}
	stateDir := global(c, "state-dir")
	s, err := migrate.Load(stateDir)
	if err != nil {
		return err
	}
	eng, err := callEngine(c.Context, s.Plan.Endpoint)
	if err != nil {
		return err
	}
	defer func() { _ = eng.Close() }()
	question := "Put the old root " + strings.Join(s.Old(), ", ") + " aside? There is no rollback after it."
	if c.Bool("delete-old") {
		question = "Delete the old root " + strings.Join(s.Old(), ", ") + "? There is no rollback after it."
	}
	if err := h.confirm(c, question); err != nil {
		return err
	}
	done, err := migrate.Commit(c.Context, stateDir, h.now, eng, c.Bool("delete-old"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(h.out, done)
	}
	text := &textWriter{w: h.out}
	for _, path := range done.Aside {
		text.linef("the old root is now %s; delete it when you like, or with davit migrate commit --delete-old", path)
	}
	for _, path := range done.Gone {
		text.linef("deleted the old root %s", path)
	}
	text.linef("migration %s is committed", done.ID)
	return text.err
}
