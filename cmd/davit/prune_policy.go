package main

import (
	"fmt"
	"os"

	"davit/prune"

	"github.com/urfave/cli/v2"
)

func (h *host) prunePolicyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "Check a policy, show a preset",
		Subcommands: []*cli.Command{
			{
				Name: "check", Usage: "Say whether a policy can be used", UsageText: "davit prune policy check FILE",
				Description: paragraph("Needs no engine. An unknown key, a unit that is none, or what contradicts itself is told with its line.") +
					examples("davit prune policy check /etc/davit/prune.yaml", "davit prune policy check ./prune.yaml") + exitCodes(exitDone, exitUsage),
				Action: h.policyCheck,
			},
			{
				Name: "show", Usage: "Print a preset as a policy file", UsageText: "davit prune policy show [--preset NAME]",
				Description: paragraph("A file to start a policy of one's own from.") +
					examples("davit prune policy show", "davit prune policy show --preset ci > prune.yaml") + exitCodes(exitDone, exitUsage),
				Flags:  []cli.Flag{&cli.StringFlag{Name: "preset", Value: "safe", Usage: "`NAME`: safe, ci or pressure"}},
				Action: h.policyShow,
			},
		},
	}
}

func (h *host) policyCheck(c *cli.Context) error {
	args, err := arguments(c, 1, "FILE")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	p, err := prune.ParsePolicy(args[0], data)
	if err != nil {
		return err
	}
	text := &textWriter{w: h.out}
	text.linef("%s: a policy with %d rules", args[0], len(p.Rules))
	return text.err
}

func (h *host) policyShow(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	data, err := prune.PresetText(c.String("preset"))
	if err != nil {
		return misuse(c, err.Error(), "safe, ci or pressure")
	}
	_, err = fmt.Fprint(h.out, string(data))
	return err
}
