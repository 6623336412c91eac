//go:build linux

package hostfs_test

import (
	"os/exec"
	"testing"

	"davit/engine/enginetest"
)

func chattr(t testing.TB, flags string, paths ...string) {
	t.Helper()
	if out, err := exec.Command("chattr", append([]string{flags}, paths...)...).CombinedOutput(); err != nil {
		t.Fatalf("chattr %s: %v: %s", flags, err, out)
	}
}

// unlockAtEnd lets the test's folder be removed.
func unlockAtEnd(t *testing.T, dir string) {
	t.Cleanup(func() { _ = exec.Command("chattr", "-R", "-f", "-i", "-a", dir).Run() })
}

func xfsDisk(t testing.TB) string {
	t.Helper()
	return enginetest.DiskOf(t, 1<<30, "mkfs.xfs", "-q", "-m", "reflink=1")
}

func rsync(t *testing.T, from, to string) string {
	t.Helper()
	// XFS shows root its own form of the ACLs as well, which rsync takes for one more attribute.
	out, err := exec.Command("rsync", "-aHAXSnc", "--numeric-ids", "--delete", "--itemize-changes",
		"--filter=-x trusted.SGI_ACL_*", from+"/", to+"/").CombinedOutput()
	if err != nil {
		t.Fatalf("rsync: %v: %s", err, out)
	}
	return string(out)
}

// lsattr lists the flags that a copy keeps, by path.
func lsattr(t *testing.T, dir string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", `find . \( -type f -o -type d \) -print0 | sort -z | xargs -0 lsattr -d -- | cut -c 1-8,22- | grep '^.*[ia].* '`)
	cmd.Dir = dir
	out, _ := cmd.Output()
	return string(out)
}
