// Package guardtest lets a test's own binary be the guard that a real backup starts.
package guardtest

import (
	"context"
	"os"

	"davit/engine"
	"davit/engine/guard"
)

// Main is called first in TestMain. It does not return in a process that was started as a guard.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != guard.Subcommand {
		return
	}
	os.Exit(guard.Main(context.Background(), os.Args[2:], func(ctx context.Context, endpoint string) (guard.Engine, error) {
		eng, err := engine.Connect(ctx, engine.Target{Host: endpoint})
		if err != nil {
			return nil, err
		}
		return guard.Of(eng), nil
	}))
}
