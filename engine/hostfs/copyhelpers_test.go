//go:build linux

package hostfs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
	dir, err := os.MkdirTemp("/dev/shm", "davit-xfs-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "m")
	writeFile(t, image, "")
	must(t, os.Truncate(image, 1<<30))
	must(t, os.Mkdir(mount, 0o755))
	for _, args := range [][]string{{"mkfs.xfs", "-q", "-m", "reflink=1", image}, {"mount", "-o", "loop", image, mount}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return mount
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
