package enginetest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Disk mounts an empty ext4 file system of size bytes and returns its folder.
func Disk(t testing.TB, size int64) string {
	t.Helper()
	return DiskOf(t, size, "mkfs.ext4", "-q", "-F", "-m", "0")
}

// CowDisk is Disk with a file system that shares blocks between files: "btrfs", at least 110 MiB, or "xfs", at least 300 MiB.
func CowDisk(t testing.TB, fs string, size int64) string {
	t.Helper()
	NeedRoot(t)
	_ = run("modprobe", "--quiet", fs) // it may be built in
	if known, err := os.ReadFile("/proc/filesystems"); err != nil || !strings.Contains(string(known), "\t"+fs+"\n") {
		t.Skipf("optional: this kernel has no %s", fs)
	}
	if fs == "xfs" {
		return DiskOf(t, size, "mkfs.xfs", "-q", "-m", "reflink=1")
	}
	return DiskOf(t, size, "mkfs."+fs, "-q")
}

// DiskOf mounts an empty file system of size bytes, which mkfs makes in the image that it
// gets as its last argument, and returns its folder. The image is in memory where that is
// possible, so that a test with many small files or many syncs does not wait for the disk
// of the machine. It is unmounted at the end of the test, and the loop device goes with
// it; what a killed test leaves, the next one removes.
func DiskOf(t testing.TB, size int64, mkfs ...string) string {
	t.Helper()
	NeedRoot(t)
	base := memory
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = os.TempDir()
	}
	for _, err := range sweep(base) {
		t.Logf("sweep: %v", err)
	}
	s, err := claim(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	image, mount := filepath.Join(s.outer, "image"), filepath.Join(s.outer, "m")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(mkfs[0], append(mkfs[1:], image)...); err != nil {
		t.Fatal(err)
	}
	if err := run("mount", "-o", "loop", image, mount); err != nil {
		t.Fatal(err)
	}
	return mount
}

// Unmount unmounts at the end of a test what it mounted. Others may have it in hand for a moment: a process that has
// just ended, or one that asks all file systems of the machine for their free space.
func Unmount(t testing.TB, dir string) {
	t.Helper()
	err := unix.Unmount(dir, 0)
	for end := time.Now().Add(time.Minute); errors.Is(err, unix.EBUSY) && time.Now().Before(end); err = unix.Unmount(dir, 0) {
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

// Bindable gives a disk, which is below /dev, another name until the test ends: nothing below /dev is ever saved.
func Bindable(t testing.TB, disk string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(disk, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The mount namespaces of ended containers take a moment to go.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
