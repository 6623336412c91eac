package main

import (
	"errors"

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

func (h *host) recover(*cli.Context) error { return errors.ErrUnsupported }
