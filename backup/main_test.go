package backup

import (
	"context"
	"fmt"
	"os"
	"testing"

	"davit/engine"
	"davit/engine/guard"
)

// TestMain lets the test's own binary be the guard that a real run starts, and a backup that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == guard.Subcommand {
		os.Exit(guard.Main(context.Background(), os.Args[2:], func(ctx context.Context, endpoint string) (guard.Engine, error) {
			eng, err := engine.Connect(ctx, engine.Target{Host: endpoint})
			if err != nil {
				return nil, err
			}
			return guard.Of(eng), nil
		}))
	}
	if len(os.Args) == 4 && os.Args[1] == killedCreate {
		os.Exit(createAndBeKilled(os.Args[2:]))
	}
	if len(os.Args) == 5 && os.Args[1] == killedSnapshot {
		fmt.Println(snapshotAndBeKilled(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}
