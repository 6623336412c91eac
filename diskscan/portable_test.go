//go:build integration

package diskscan_test

import (
	"os"
	"os/exec"
	"testing"
)

// The scan and what it stands on are built for other systems, too.
func TestOtherSystems(t *testing.T) {
	for _, system := range []string{"darwin", "windows", "freebsd"} {
		cmd := exec.Command("go", "build", "davit/diskscan", "davit/engine/hostfs")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", system, err, out)
		}
	}
}
