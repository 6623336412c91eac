package chunk

import "sync/atomic"

// flushEach is how much is restored between two flushes: little enough that the
// last one finds little to do, enough that few are needed.
const flushEach = 128 << 20

// A flusher has the kernel write out what a restore writes, beside it, one
// flush at a time. Otherwise nothing goes to the disk until all is in memory, and
// the disk's time comes on top of the processor's.
type flusher struct {
	sync    func() error
	pending atomic.Int64
	wake    chan struct{}
	ended   chan error
}

// newFlusher starts one that calls sync. The caller stops it.
func newFlusher(sync func() error) *flusher {
	f := &flusher{sync: sync, wake: make(chan struct{}, 1), ended: make(chan error, 1)}
	go func() {
		var err error
		for range f.wake {
			if err == nil {
				err = f.sync()
			}
		}
		f.ended <- err
	}()
	return f
}

// wrote counts bytes that were written. It does not block.
func (f *flusher) wrote(n int64) {
	if f.pending.Add(n) < flushEach {
		return
	}
	f.pending.Store(0)
	select {
	case f.wake <- struct{}{}:
	default: // one is waiting already
	}
}

// stop waits for a flush that is at work and returns the first error: the kernel
// tells each one only once. wrote must not be called any more.
func (f *flusher) stop() error {
	close(f.wake)
	return <-f.ended
}
