package main

import (
	"errors"

	"github.com/urfave/cli/v2"
)

func (h *host) guardCommand() *cli.Command {
	return &cli.Command{
		Name:   "__guard",
		Hidden: true,
		Action: func(*cli.Context) error { return errors.ErrUnsupported },
	}
}
