package chunk

import (
	"context"
	"davit/engine/hostfs"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"
)

// ErrSpoolFull says that the delta of a freeze is larger than its spool.
var ErrSpoolFull = errors.New("spool is full")

// spoolMemory is what a spool keeps in memory before it uses its file.
const spoolMemory = 32 << 20

// A Spool holds chunks that were read while containers were frozen. Small
// deltas stay in memory; the rest goes to a nameless file. It is safe for
// concurrent use; the caller closes it.
type Spool struct {
	dir   string
	limit int64

	mu     sync.Mutex
	chunks []spooled
	memory int64
	total  int64
	file   *os.File
	end    int64
}

type spooled struct {
	plain []byte // nil: in the file
	off   int64
	size  int
	ref   *chunkRef
}

// NewSpool returns an empty spool that writes to a nameless file in dir, and
// takes at most limit bytes.
func NewSpool(dir string, limit int64) *Spool { return &Spool{dir: dir, limit: limit} }

// Close frees the spool.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks = nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// Size is what the spool holds, in bytes.
func (s *Spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *Spool) put(plain []byte, ref *chunkRef) error {
	size := int64(len(plain))
	s.mu.Lock()
	if s.total+size > s.limit {
		s.mu.Unlock()
		return fmt.Errorf("%w: more than %d bytes changed", ErrSpoolFull, s.limit)
	}
	s.total += size
	if s.memory+size <= spoolMemory {
		s.memory += size
		s.chunks = append(s.chunks, spooled{plain: append([]byte(nil), plain...), size: len(plain), ref: ref})
		s.mu.Unlock()
		return nil
	}
	if err := s.open(); err != nil {
		s.mu.Unlock()
		return err
	}
	off := s.end
	s.end += size
	s.chunks = append(s.chunks, spooled{off: off, size: len(plain), ref: ref})
	s.mu.Unlock()
	if _, err := s.file.WriteAt(plain, off); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	return nil
}

func (s *Spool) open() error {
	if s.file != nil {
		return nil
	}
	f, err := hostfs.Nameless(s.dir)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	s.file = f
	return nil
}

// take removes and returns the next chunk, read into buf when it is in the file.
func (s *Spool) take(buf []byte) (plain, scratch []byte, ref *chunkRef, err error) {
	s.mu.Lock()
	if len(s.chunks) == 0 {
		s.mu.Unlock()
		return nil, buf, nil, nil
	}
	next := s.chunks[0]
	s.chunks = s.chunks[1:]
	s.mu.Unlock()
	if next.plain != nil {
		return next.plain, buf, next.ref, nil
	}
	if cap(buf) < next.size {
		buf = make([]byte, next.size)
	}
	buf = buf[:next.size]
	if _, err := s.file.ReadAt(buf, next.off); err != nil {
		return nil, buf, nil, fmt.Errorf("read spool: %w", err)
	}
	return buf, buf, next.ref, nil
}

// storeSpooled stores the spool's chunks with all workers. The spool may hold
// chunks of other trees of the same freeze; they are stored as well, so the trees
// of one freeze are stored one after another.
func (p *pass) storeSpooled(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range p.saver.options.Workers {
		group.Go(func() error {
			w, err := p.newWorker()
			if err != nil {
				return err
			}
			defer w.close()
			var scratch []byte
			for ctx.Err() == nil {
				var plain []byte
				var ref *chunkRef
				plain, scratch, ref, err = p.spool.take(scratch)
				if err != nil || ref == nil {
					return err
				}
				if err := w.store(ctx, plain, ref); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}
