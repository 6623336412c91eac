package preflight

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"davit/engine/hostfs"
)

// fileKey tells one inode from another.
type fileKey struct{ dev, ino uint64 }

// measure counts what is in the stores.
func (f *facts) measure(ctx context.Context, h Host, _ Request) error {
	var before [2]int64
	for i := range f.stores {
		s := &f.stores[i]
		began := h.Now()
		err := size(ctx, s, func(files, bytes int64) {
			if h.Progress != nil {
				h.Progress(before[0]+files, before[1]+bytes)
			}
		})
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			s.problem = err.Error()
		}
		s.walk = h.Now().Sub(began)
		before[0], before[1] = before[0]+s.Files, before[1]+s.Bytes
	}
	return nil
}

// size adds up a store; what is mounted in it does not count. Names of one file count once.
func size(ctx context.Context, s *storeFacts, progress func(files, bytes int64)) error {
	root, err := hostfs.OpenRoot(s.From)
	if err != nil {
		return err
	}
	defer root.Close()
	var files, allocated, apparent atomic.Int64
	var mu sync.Mutex
	seen := map[fileKey]bool{}
	again := func(e *hostfs.Entry) bool {
		mu.Lock()
		defer mu.Unlock()
		key := fileKey{e.Dev, e.Ino}
		was := seen[key]
		seen[key] = true
		return was
	}
	problem := func(path string, err error) {
		mu.Lock()
		defer mu.Unlock()
		s.unread++
		if s.unread == 1 {
			s.problems = path + ": " + reason(err)
		}
	}
	err = hostfs.Sweep(ctx, root, hostfs.SweepOptions{Problem: problem}, struct{}{}, func(_ int, _ struct{}, e *hostfs.Entry) (struct{}, bool) {
		if !e.IsDir() && e.Nlink > 1 && again(e) {
			return struct{}{}, false
		}
		allocated.Add(e.Blocks * 512)
		if e.IsRegular() {
			apparent.Add(e.Size)
		}
		if n := files.Add(1); n%10000 == 0 {
			progress(n, allocated.Load())
		}
		return struct{}{}, true
	})
	s.Files, s.Bytes, s.Apparent = files.Load(), allocated.Load(), apparent.Load()
	progress(s.Files, s.Bytes)
	return err
}

// What the estimates reckon with where nothing was measured.
const (
	usualRate  = 100 << 20             // bytes a second
	perFile    = 60 * time.Microsecond // to make one, with its attributes
	engineTurn = 6 * time.Second       // to stop containers and engine, and to start them again
	changing   = 0.01                  // the part that changes between the last warm pass and the stop
)

// estimate is how long it takes, roughly: the disk's speed was tried out, the rest is experience.
func (f *facts) estimate(r Request) Estimate {
	if r.Method == "rename" {
		return Estimate{Total: engineTurn, Downtime: engineTurn}
	}
	total, down := engineTurn, engineTurn
	for i, s := range f.stores {
		rate := int64(usualRate)
		if i < len(f.dests) && f.dests[i].WriteRate > 0 {
			rate = f.dests[i].WriteRate
		}
		copying := time.Duration(float64(s.Files) * float64(perFile))
		if !s.Reflink || r.Method == "copy" {
			copying += time.Duration(float64(s.Bytes) / float64(rate) * float64(time.Second))
		}
		delta := 2*s.walk + time.Duration(changing*float64(copying)) // both sides are walked, and compared
		if r.BytesPerSecond > 0 && r.BytesPerSecond < rate {
			copying = max(copying, time.Duration(float64(s.Bytes)/float64(r.BytesPerSecond)*float64(time.Second)))
		}
		total, down = total+copying+2*s.walk+delta, down+delta
	}
	return Estimate{Total: total.Round(time.Second), Downtime: down.Round(time.Second)}
}
