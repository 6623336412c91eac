//go:build linux

package chunk

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// makeFile writes a small file whole, or opens a big one for the chunks that
// follow.
func (w *restoreWorker) makeFile(dir *hostfs.Dir, name string, e *streamEntry, meta *hostfs.Meta, target *bigTarget) error {
	if e.big {
		fd, err := dir.CreateFile(name)
		if err != nil {
			return err
		}
		target.open(fd, e, meta)
		w.re.mu.Lock()
		defer w.re.mu.Unlock()
		w.re.targets = append(w.re.targets, target)
		return nil
	}
	mode := w.re.created.Mode(meta)
	fd, err := dir.CreateNew(name, mode)
	if err != nil {
		return err
	}
	h := &e.header
	if h.sparse == nil {
		err = pwriteFull(fd, e.content, 0)
	} else {
		err = writeSegments(fd, h.sparse, e.content, 0)
		if err == nil {
			err = unix.Ftruncate(fd, h.real)
		}
	}
	if err == nil {
		err = w.re.created.SetMeta(fd, meta, mode)
	}
	return errors.Join(err, closeFd(fd))
}

func closeFd(fd int) error {
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

func pwriteFull(fd int, data []byte, off int64) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(fd, data, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		data, off = data[n:], off+int64(n)
	}
	return nil
}

// writeSegments writes data, which begins at byte at of the condensed content,
// to where the segments say.
func writeSegments(fd int, segments []hostfs.Segment, data []byte, at int64) error {
	for _, s := range segments {
		if at >= s.Len {
			at -= s.Len
			continue
		}
		if len(data) == 0 {
			return nil
		}
		piece := data[:min(int64(len(data)), s.Len-at)]
		if err := pwriteFull(fd, piece, s.Off+at); err != nil {
			return err
		}
		data, at = data[len(piece):], 0
	}
	return nil
}

// A bigTarget is a big file that several workers write. It is finished when all
// its content has arrived.
type bigTarget struct {
	ready     chan struct{}
	fd        int // -1: could not be made, the chunks are dropped
	path      string
	size      int64 // of the stored content, without padding
	real      int64
	segments  []hostfs.Segment
	meta      hostfs.Meta
	remaining atomic.Int64
	finished  atomic.Bool
}

func newBigTarget() *bigTarget { return &bigTarget{ready: make(chan struct{}), fd: -1} }

// open lets the chunks be written.
func (t *bigTarget) open(fd int, e *streamEntry, meta *hostfs.Meta) {
	h := &e.header
	t.fd, t.path, t.size, t.meta = fd, h.path, h.size, *meta
	t.real, t.segments = h.size, []hostfs.Segment{{Len: h.size}}
	if h.sparse != nil {
		t.real, t.segments = h.real, h.sparse
	}
	t.remaining.Store(h.size + int64(padding(h.size)))
	close(t.ready)
}

// abandon lets the chunks be dropped.
func (t *bigTarget) abandon() { close(t.ready) }

// chunk writes one chunk of a big file, and finishes the file after the last.
func (w *restoreWorker) chunk(ctx context.Context, job contentJob) error {
	t := job.target
	select {
	case <-t.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.fd < 0 {
		return nil
	}
	plain, err := w.read(ctx, job.chunk)
	if err != nil {
		return err
	}
	if job.at > t.size {
		return &repo.DamagedError{Digest: job.chunk.Digest, Reason: "content beyond the end of its file"}
	}
	content := plain[:min(int64(len(plain)), t.size-job.at)]
	if err := w.note(t.path, writeSegments(t.fd, t.segments, content, job.at)); err != nil {
		return err
	}
	w.re.count(0, 0, int64(len(content)))
	if t.remaining.Add(-int64(len(plain))) != 0 {
		return nil
	}
	t.finished.Store(true)
	err = unix.Ftruncate(t.fd, t.real)
	if err == nil {
		err = w.re.created.SetMeta(t.fd, &t.meta, hostfs.PrivateMode)
	}
	return w.note(t.path, errors.Join(err, closeFd(t.fd)))
}
