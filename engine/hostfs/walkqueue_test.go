package hostfs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// When the workers may hold next to nothing, the delivery reads for itself: the walk ends, and everything is there.
func TestWalkWithFullQueue(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(i%20), fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, limit := range []int{0, 1, 30} {
		seen := 0
		w := newWalker(root.fd, WalkOptions{Workers: 3})
		w.queue.limit = limit
		err := w.walk(t.Context(), func(*Entry) error { seen++; return nil })
		if err != nil || seen != 221 {
			t.Errorf("limit %d: %d entries of 221, error %v", limit, seen, err)
		}
		if w.queue.waiting != 0 || w.queue.ends.next != &w.queue.ends || w.kept.n.Load() != 0 {
			t.Errorf("limit %d: %d entries, tasks or %d descriptors left", limit, w.queue.waiting, w.kept.n.Load())
		}
	}
}
