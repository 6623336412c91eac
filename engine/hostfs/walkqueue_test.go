//go:build linux

package hostfs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// makeFolders makes 20 folders with 100 folders each, 2,021 entries with the root.
func makeFolders(t *testing.T) *Root {
	t.Helper()
	dir := t.TempDir()
	for i := range 2000 {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(i%20), fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// When the workers may hold next to nothing, the delivery reads for itself: the walk ends, and everything is there.
func TestWalkWithFullQueue(t *testing.T) {
	root := makeFolders(t)
	for _, limit := range []int{0, 1, 150} {
		seen := 0
		w := newWalker(root.fd, WalkOptions{Workers: 3})
		w.queue.limit = limit
		err := w.walk(t.Context(), func(*Entry) error { seen++; return nil })
		if err != nil || seen != 2021 {
			t.Errorf("limit %d: %d entries of 2021, error %v", limit, seen, err)
		}
		if w.queue.waiting != 0 || w.queue.ends.next != &w.queue.ends || w.kept.n.Load() != 0 {
			t.Errorf("limit %d: %d entries, tasks or %d descriptors left", limit, w.queue.waiting, w.kept.n.Load())
		}
	}
}

// While a visit takes its time, the workers read ahead, but not more than the limit and the folder each has in hand.
func TestWalkReadsAheadWithinLimit(t *testing.T) {
	root := makeFolders(t)
	w := newWalker(root.fd, WalkOptions{Workers: 3})
	w.queue.limit = 150
	state := func() (idle, waiting int) {
		w.queue.mu.Lock()
		defer w.queue.mu.Unlock()
		return w.queue.idle, w.queue.waiting
	}
	first := true
	err := w.walk(t.Context(), func(*Entry) error {
		if !first {
			return nil
		}
		first = false
		deadline := time.Now().Add(time.Minute)
		idle, waiting := state()
		for idle < 3 || waiting == 0 {
			if time.Now().After(deadline) {
				return fmt.Errorf("%d workers idle with %d entries after 10 s", idle, waiting)
			}
			time.Sleep(time.Millisecond)
			idle, waiting = state()
		}
		if waiting < 150 || waiting >= 150+3*100 {
			t.Errorf("%d entries read ahead", waiting)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
