package main

import (
	"errors"
	"fmt"

	"davit/backup/doctor"

	"github.com/urfave/cli/v2"
)

func (h *host) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Category:  maintenance,
		Usage:     "Look this host over for what davit needs",
		UsageText: "davit doctor [--repo DIR] [--json]",
		Description: paragraph("Engine, permissions, folders, systemd, configuration, repositories, last backup, clock, and what "+
			"a killed run left: each is ok, a warning or a problem, with the way out. Changes nothing. Repositories are those of the configuration, or --repo.") +
			examples("davit doctor", "davit doctor --repo /srv/backup --json | jq -r .hint") +
			exitCodes(exitDone, exitUsage),
		Flags:  []cli.Flag{configFlag(), repoFlag(), jsonFlag()},
		Action: h.doctor,
	}
}

func (h *host) doctor(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	findings := doctor.Judge(doctor.Gather(c.Context, h.doctorSources(c)))
	if c.Bool("json") {
		for _, f := range findings {
			if err := writeJSON(h.out, f); err != nil {
				return err
			}
		}
		return doctor.Err(findings)
	}
	text := &textWriter{w: h.out}
	for _, f := range findings {
		text.linef("%-8s %-13s %s", f.Level, f.Check, f.Text)
		if f.Hint != "" {
			text.linef("%22s -> %s", "", f.Hint)
		}
	}
	return errors.Join(text.err, doctor.Err(findings))
}

// explainDoctor knows the one error of davit doctor: what is wrong has been said.
func explainDoctor(err error, f *failure) bool {
	var problems *doctor.ProblemsError
	if !errors.As(err, &problems) {
		return false
	}
	*f = failure{message: fmt.Sprintf("doctor: %v", problems), code: exitFailed}
	return true
}
