package main

import (
	"errors"
	"fmt"

	"davit/prune"

	"github.com/urfave/cli/v2"
)

func (h *host) pruneWatchCommand() *cli.Command {
	return &cli.Command{
		Name:      "watch",
		Usage:     "Record when images and volumes are used, for policies that ask",
		UsageText: "davit prune watch",
		Description: paragraph("The engine forgets when an image was last used as soon as the container that used it is removed. "+
			"watch listens to the engine and remembers, until it is interrupted; run it as a service. Without it, davit knows "+
			"of the containers that still exist, and of those that earlier runs of prune saw.") +
			examples("davit prune watch", "davit prune watch --log-format json") + exitCodes(exitUsage, exitUnreachable, exitInterrupted),
		Action: h.pruneWatch,
	}
}

func (h *host) pruneWatch(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	eng, err := h.connect(c)
	if err != nil {
		return err
	}
	defer func() { _ = eng.Close() }()
	ready := func() { _, _ = fmt.Fprintln(h.err, "watching") }
	err = prune.Watch(c.Context, eng, global(c, "state-dir"), h.now, ready)
	if err == nil {
		err = errors.New("the engine ended the stream of events")
	}
	return err
}
