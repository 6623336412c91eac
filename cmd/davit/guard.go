package main

import (
	"context"

	"davit/engine"
	"davit/engine/guard"

	"github.com/urfave/cli/v2"
)

// guardCommand is what davit runs itself as before it pauses or stops anything. Nobody else calls it.
func (h *host) guardCommand() *cli.Command {
	return &cli.Command{
		Name:   guard.Subcommand,
		Hidden: true,
		Action: func(c *cli.Context) error {
			if code := guard.Main(c.Context, c.Args().Slice(), guardConnect); code != exitDone {
				return guardError{code: code}
			}
			return nil
		},
	}
}

// guardError ends a guard that could not undo everything; it has said so itself.
type guardError struct{ code int }

func (guardError) Error() string { return "guard: something is left to undo; davit recover does it" }

// guardConnect connects to the engine that a journal names.
func guardConnect(ctx context.Context, reference string) (guard.Engine, error) {
	eng, err := engine.Reconnect(ctx, reference)
	if err != nil {
		return nil, err
	}
	return guard.Of(eng), nil
}
