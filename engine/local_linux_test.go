package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// The holder of a lock is found while others take and give back hundreds of locks: the kernel's list, which takes
// several reads, then has gaps.
func TestLockHolderAmongOthers(t *testing.T) {
	dir := t.TempDir()
	locked := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	var others []*os.File
	for i := range 300 {
		others = append(others, locked(fmt.Sprint(i)))
	}
	mine := locked("mine")
	if err := unix.Flock(int(mine.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for how := unix.LOCK_EX; ; how ^= unix.LOCK_EX ^ unix.LOCK_UN {
			for _, f := range others {
				_ = unix.Flock(int(f.Fd()), how)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range 300 {
		if pid, err := lockHolder(mine.Name()); err != nil || pid != os.Getpid() {
			t.Fatalf("time %d: process %d, %v", i, pid, err)
		}
	}
}
