package enginetest

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Of ext4 and xfs alike, EXT4_IOC_SHUTDOWN in the kernel's fs/ext4/ext4.h.
const (
	shutdownRequest = 0x8004587d
	withoutTheLog   = 2 // what was not synced is lost, that of the journal too
)

// CutDisk does to a file system of Disk or CowDisk (xfs) what a power cut does: nothing reaches the disk any more,
// and what was not synced is lost. Who writes there gets EIO.
func CutDisk(t testing.TB, mount string) {
	t.Helper()
	fd, err := unix.Open(mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.IoctlSetPointerInt(fd, shutdownRequest, withoutTheLog); err != nil {
		t.Fatalf("cut %s off: %v", mount, err)
	}
}

// MountAgain is the boot after CutDisk. Nobody may have a file open there any more.
func MountAgain(t testing.TB, mount string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for run("umount", mount) != nil { // what was killed may not be quite gone
		if time.Now().After(deadline) {
			t.Fatalf("%s is in use", mount)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := run("mount", "-o", "loop", filepath.Join(filepath.Dir(mount), "image"), mount); err != nil {
		t.Fatal(err)
	}
}
