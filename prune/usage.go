package prune

import (
	"context"
	"sync"

	"davit/engine/hostfs"
)

// diskUsage is what a folder takes on the disk: blocks, files with several names once.
func diskUsage(ctx context.Context, path string) (int64, error) {
	root, err := hostfs.OpenRoot(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = root.Close() }() // only read from
	var mu sync.Mutex
	var blocks int64
	seen := map[uint64]bool{}
	err = hostfs.Sweep(ctx, root, hostfs.SweepOptions{}, struct{}{}, func(_ int, in struct{}, e *hostfs.Entry) (struct{}, bool) {
		mu.Lock()
		defer mu.Unlock()
		if e.Nlink > 1 && e.Mode&hostfs.TypeMask != hostfs.TypeFolder {
			if seen[e.Ino] {
				return in, false
			}
			seen[e.Ino] = true
		}
		blocks += e.Blocks
		return in, true
	})
	return blocks * 512, err
}
