package backup

import (
	"fmt"
	"os"
	"testing"

	"davit/engine/guard/guardtest"
)

// TestMain lets the test's own binary be the guard that a real run starts, and a backup that is killed.
func TestMain(m *testing.M) {
	guardtest.Main()
	if len(os.Args) == 4 && os.Args[1] == killedCreate {
		os.Exit(createAndBeKilled(os.Args[2:]))
	}
	if len(os.Args) == 5 && os.Args[1] == killedSnapshot {
		fmt.Println(snapshotAndBeKilled(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}
