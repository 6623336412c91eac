package main

import (
	"errors"

	"davit/backup"
	"davit/engine/guard"

	"github.com/urfave/cli/v2"
)

func (h *host) recoverCommand() *cli.Command {
	return &cli.Command{
		Name:      "recover",
		Category:  maintenance,
		Usage:     "Undo what a killed run left paused or stopped",
		UsageText: "davit recover [--json]",
		Description: paragraph("The guard of a run undoes this by itself when davit dies. recover is for what not even the guard "+
			"could do, after a power cut for instance: run it at boot. Runs that are alive are left alone.") +
			examples("davit recover", "davit recover --json | jq -r .name") +
			exitCodes(exitDone, exitUsage, exitUnreachable),
		Flags:  []cli.Flag{jsonFlag()},
		Action: h.recover,
	}
}

func (h *host) recover(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	undone, err := guard.Recover(c.Context, backup.GuardFolder(global(c, "state-dir")), guardConnect)
	return errors.Join(err, h.writeUndone(c, undone))
}

func (h *host) writeUndone(c *cli.Context, undone []guard.Undone) error {
	text := &textWriter{w: h.out}
	for _, u := range undone {
		if !c.Bool("json") {
			text.linef("%s: %s (was left by run %s, mode %s)", u.Name, u.Outcome, u.Run, u.Mode)
			continue
		}
		if err := writeJSON(h.out, struct {
			Run     string        `json:"run"`
			ID      string        `json:"id"`
			Name    string        `json:"name"`
			Mode    guard.Mode    `json:"mode"`
			Outcome guard.Outcome `json:"outcome"`
		}{u.Run, u.ID, u.Name, u.Mode, u.Outcome}); err != nil {
			return err
		}
	}
	if len(undone) == 0 && !c.Bool("json") {
		text.linef("nothing to undo")
	}
	return text.err
}
