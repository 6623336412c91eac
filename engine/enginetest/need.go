package enginetest

import (
	"os"
	"testing"
)

// NeedRoot skips the test, saying why, when it does not run as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: owners, devices, trusted attributes or mounts")
	}
}
