package main

import (
	"context"

	"davit/engine/service"

	"github.com/urfave/cli/v2"
)

func (h *host) engineEnableCommand() *cli.Command {
	return &cli.Command{
		Name:        "enable",
		Usage:       "Have the engine and its socket start at boot",
		UsageText:   "davit engine enable [--now] [FLAGS]",
		Description: examples("davit engine enable", "davit engine enable --now") + exitCodes(exitDone, exitFailed, exitUsage),
		Flags:       jobFlags(&cli.BoolFlag{Name: "now", Usage: "start it as well"}),
		Action: func(c *cli.Context) error {
			enable := h.engineChange("enabled", func(ctx context.Context, s *service.Service, _ *cli.Context) (service.Change, error) {
				return s.Enable(ctx)
			})
			if err := enable(c); err != nil || !c.Bool("now") {
				return err
			}
			return h.engineStartCommand().Action(c)
		},
	}
}

func (h *host) engineDisableCommand() *cli.Command {
	return &cli.Command{
		Name:      "disable",
		Usage:     "Have neither the engine nor its socket start at boot",
		UsageText: "davit engine disable [--now] [--allow-rm-loss] [FLAGS]",
		Description: paragraph("With --now it is stopped as well, as davit engine stop does; nothing is disabled when that is refused.") +
			examples("davit engine disable", "davit engine disable --now") + exitCodes(exitDone, exitFailed, exitUsage),
		Flags: jobFlags(&cli.BoolFlag{Name: "now", Usage: "stop it as well"}, rmLossFlag()),
		Action: func(c *cli.Context) error {
			disable := h.engineChange("disabled", func(ctx context.Context, s *service.Service, c *cli.Context) (service.Change, error) {
				if c.Bool("now") {
					if err := checkLoss(ctx, s, c); err != nil {
						return service.Change{}, err
					}
				}
				return s.Disable(ctx)
			})
			if err := disable(c); err != nil || !c.Bool("now") {
				return err
			}
			return h.engineStopCommand().Action(c)
		},
	}
}
