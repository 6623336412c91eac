//go:build unix

package hostfs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A lock that was given back is free for others although a copy of the handle is left, as a process has it that was forked
// and not yet executed.
func TestUnlockWithCopyOfHandle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	holder, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := Lock(holder); err != nil {
		t.Fatal(err)
	}
	forked, err := unix.Dup(int(holder.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(forked)
	if err := Unlock(holder); err != nil {
		t.Fatal(err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Lock(other); err != nil {
		t.Errorf("a lock that was given back: %v", err)
	}
}
