//go:build linux

package chunk

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// file compares a small file, or opens a big one for the chunks that follow.
func (w *compareWorker) file(dir *hostfs.Dir, name string, e *streamEntry, to string, target *bigTarget) (opened bool, err error) {
	fd, st, err := dir.OpenRegular(name)
	if err != nil {
		return false, err
	}
	defer func() {
		if !opened {
			_ = unix.Close(fd) // only read
		}
	}()
	h := &e.header
	size, segments := h.size, []hostfs.Segment{{Len: h.size}}
	if h.sparse != nil {
		size, segments = h.real, h.sparse
	}
	if st.Size != size {
		w.c.differ(to, "size was %d, is %d", size, st.Size)
		return false, nil
	}
	// What is in memory is what was written, not what is on the disk.
	_ = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
	if h.sparse != nil {
		if err := w.holes(fd, size, segments, to); err != nil {
			return false, err
		}
	}
	if !e.big {
		same, err := w.sameSegments(fd, segments, e.content, 0)
		if err == nil && !same {
			w.c.differ(to, "content differs")
		}
		return false, err
	}
	target.open(fd, e, &hostfs.Meta{})
	target.path = to
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.big = append(w.c.big, target)
	return true, nil
}

// chunk compares one chunk of a big file.
func (w *compareWorker) chunk(ctx context.Context, job contentJob) error {
	t := job.target
	select {
	case <-t.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	plain, err := w.readWhole(ctx, job.chunk)
	if err != nil {
		return err
	}
	w.c.count(1, 0, 0, 0)
	if t.fd < 0 {
		return nil // said when it was to be opened
	}
	if job.at > t.size {
		return &repo.DamagedError{Digest: job.chunk.Digest, Reason: "content beyond the end of its file"}
	}
	content := plain[:min(int64(len(plain)), t.size-job.at)]
	same, err := w.sameSegments(t.fd, t.segments, content, job.at)
	switch {
	case err != nil:
		w.c.differ(t.path, "cannot be read: %v", err)
	case !same:
		w.c.differ(t.path, "content differs")
	}
	w.c.count(0, 0, 0, int64(len(content)))
	return nil
}

// sameSegments compares data, which begins at byte at of the condensed content, with what the segments cover on disk.
func (w *compareWorker) sameSegments(fd int, segments []hostfs.Segment, data []byte, at int64) (bool, error) {
	for _, s := range segments {
		if at >= s.Len {
			at -= s.Len
			continue
		}
		if len(data) == 0 {
			return true, nil
		}
		piece := data[:min(int64(len(data)), s.Len-at)]
		same, err := w.same(fd, piece, s.Off+at)
		if err != nil || !same {
			return same, err
		}
		data, at = data[len(piece):], 0
	}
	return true, nil
}

// compareBuffer is how much is read of a file at once.
const compareBuffer = 1 << 20

// same compares bytes with those on disk.
func (w *compareWorker) same(fd int, want []byte, at int64) (bool, error) {
	if w.buf == nil {
		w.buf = make([]byte, compareBuffer)
	}
	for len(want) > 0 {
		n, err := unix.Pread(fd, w.buf[:min(len(want), len(w.buf))], at)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return false, fmt.Errorf("read: %w", err)
		case n == 0 || !bytes.Equal(w.buf[:n], want[:n]):
			return false, nil
		}
		want, at = want[n:], at+int64(n)
	}
	return true, nil
}

// holes makes sure that what lies between the segments reads as zeros.
func (w *compareWorker) holes(fd int, size int64, segments []hostfs.Segment, to string) error {
	data, err := hostfs.DataSegments(fd, size)
	if err != nil {
		return err
	}
	for _, d := range data {
		for _, gap := range outside(d, segments) {
			for at := gap.Off; at < gap.Off+gap.Len; at += compareBuffer {
				same, err := w.same(fd, make([]byte, min(compareBuffer, gap.Off+gap.Len-at)), at)
				if err != nil {
					return err
				}
				if !same {
					w.c.differ(to, "a hole holds data")
					return nil
				}
			}
		}
	}
	return nil
}

// outside is what of a range no segment covers; segments are sorted.
func outside(r hostfs.Segment, segments []hostfs.Segment) []hostfs.Segment {
	var gaps []hostfs.Segment
	at, end := r.Off, r.Off+r.Len
	for _, s := range segments {
		if s.Off+s.Len <= at {
			continue
		}
		if s.Off >= end {
			break
		}
		if s.Off > at {
			gaps = append(gaps, hostfs.Segment{Off: at, Len: s.Off - at})
		}
		at = s.Off + s.Len
	}
	if at < end {
		gaps = append(gaps, hostfs.Segment{Off: at, Len: end - at})
	}
	return gaps
}
