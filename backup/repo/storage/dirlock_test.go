package storage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"davit/engine/hostfs"
)

func lockPlace(t *testing.T) (d Storage, lock string) {
	t.Helper()
	root := t.TempDir()
	lock = filepath.Join(root, "lock")
	if err := os.WriteFile(lock, nil, filePerm); err != nil {
		t.Fatal(err)
	}
	d = OpenDir(root)
	t.Cleanup(func() { _ = d.Close() })
	return d, lock
}

// Who has looked whether a lock is held keeps nobody from taking it, although processes that are started meanwhile have
// copies of what he looked with.
func TestGripLetsGo(t *testing.T) {
	d, _ := lockPlace(t)
	over := make(chan struct{})
	var starting sync.WaitGroup
	for range 2 {
		starting.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 1000 {
		grip, err := d.Grip(t.Context(), "lock")
		if err == nil && grip != Free {
			err = errors.New("it is held")
		}
		if err != nil {
			t.Errorf("time %d: %v", n, err)
			break
		}
	}
	close(over)
	starting.Wait()
}

// A lock that somebody has for a moment, without his name, is waited for.
func TestNamelessLock(t *testing.T) {
	d, path := lockPlace(t)
	looks, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer looks.Close()
	if err := hostfs.Lock(looks); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		if err := hostfs.Unlock(looks); err != nil {
			t.Error(err)
		}
	})
	lock, err := d.Lock(t.Context(), "lock", []byte("me"))
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
}
