package chunk

import (
	"context"
	"errors"

	"davit/engine/hostfs"
)

const (
	// readStep is how much of a big file is read at a time: little enough to
	// copy, enough to cost few system calls.
	readStep = 1 << 20
	// rereadLimit is the size up to which a big file that changed while it was
	// read is tried again.
	rereadLimit = 64 << 20
)

// addBig appends the header of the unit's big file, after its content went out
// as chunks: the header has the size that was really read.
func (w *worker) addBig(ctx context.Context, u *unit) error {
	m := u.last()
	s, err := w.openSource(m)
	if err != nil {
		u.chunks = nil
		return w.note(u, m, err)
	}
	defer s.close()
	if u.chunks != nil && !sameState(&s.stat, &m.stat) {
		u.chunks = nil
	}
	if u.chunks == nil && w.clone(u, s) {
		return nil
	}
	return w.addBigContent(ctx, u, s)
}

// addBigContent reads the file that s is, unless its chunks are known, and appends its header.
func (w *worker) addBigContent(ctx context.Context, u *unit, s *source) error {
	m := u.last()
	if u.chunks == nil {
		err := w.readAtRest(ctx, u, s)
		var unreadable fileError
		if errors.As(err, &unreadable) {
			u.chunks = nil
			return w.note(u, m, err)
		}
		if err != nil {
			return err
		}
		m.stat = s.stat
	}
	h := w.header(m, &s.stat, s.xattrs)
	e := &Entry{Kind: KindFile, Size: u.bigFile.size, Chunks: len(u.chunks)}
	h.size = u.bigFile.size
	if u.bigFile.segments != nil {
		h.sparse, h.real, h.size = u.bigFile.segments, u.bigFile.size, contentSize(u.bigFile.segments)
		e.Sparse = true
	}
	w.addHeader(u, h, e)
	return nil
}

// readAtRest reads the file, and once more when it changed meanwhile and is not
// too large; a file that changes again is noted in u.
func (w *worker) readAtRest(ctx context.Context, u *unit, s *source) error {
	changed, err := w.readBig(ctx, u, s)
	if err != nil || !changed {
		return err
	}
	if !w.pass.options.Warm && s.stat.Size <= rereadLimit {
		if err := s.refresh(); err != nil {
			return fileError{err}
		}
		if changed, err = w.readBig(ctx, u, s); err != nil {
			return err
		}
	}
	if changed {
		u.problems = append(u.problems, Problem{Path: u.last().path, Kind: Changed, Reason: "written while it was read"})
	}
	return nil
}

func sameState(a, b *hostfs.Stat) bool {
	return a.Ino == b.Ino && a.Size == b.Size && a.Mtime == b.Mtime && a.Ctime == b.Ctime
}

// readBig cuts the file's content into chunks and hands them out.
func (w *worker) readBig(ctx context.Context, u *unit, s *source) (changed bool, err error) {
	u.chunks = []*chunkRef{}
	content := newContent(s)
	if progress := w.pass.saver.options.Progress; progress != nil && u.told == 0 {
		content.progress = func(n int64) {
			u.told += n
			progress.Done(0, n)
		}
	}
	if err := w.cut(ctx, u, content); err != nil {
		return false, err
	}
	u.read += content.total
	u.bigFile = bigRecord{size: s.stat.Size, segments: s.segments}
	if content.ended {
		u.bigFile.size = content.end
		if s.segments != nil {
			u.bigFile.segments = content.seen
		}
	}
	if changed, err = s.changed(); err != nil {
		return false, fileError{err}
	}
	return changed || content.ended, nil
}

// cut reads content to its end. The padding to a block goes into the last
// chunk, so that the next entry's chunk does not depend on this file's length.
func (w *worker) cut(ctx context.Context, u *unit, content *content) error {
	cutter := w.pass.saver.newCutter()
	buf, err := w.buffer(ctx)
	if err != nil {
		return err
	}
	for {
		n, eof, err := fill(cutter, content, &buf)
		if err != nil || ctx.Err() != nil {
			w.pass.release(buf)
			return firstError(err, ctx.Err())
		}
		if eof && n == len(buf) {
			buf = appendZeros(buf, padding(content.total))
			return w.handOut(ctx, u, buf)
		}
		next, err := w.buffer(ctx)
		if err != nil {
			w.pass.release(buf)
			return err
		}
		next = append(next, buf[n:]...)
		if err := w.handOut(ctx, u, buf[:n]); err != nil {
			w.pass.release(next)
			return err
		}
		buf = next
	}
}

// fill reads until buf holds a boundary, which it returns, or the content ends.
// When a boundary falls on the end of what was read, it reads on, since only the
// next byte tells whether the chunk is the last.
func fill(c *cutter, content *content, buf *[]byte) (n int, eof bool, err error) {
	var s scan
	for {
		if n == 0 {
			n = c.next(&s, *buf)
		}
		if n > 0 && n < len(*buf) {
			return n, false, nil
		}
		at := len(*buf)
		got, err := content.read((*buf)[at : at+c.step()])
		if err != nil {
			return 0, false, err
		}
		*buf = (*buf)[:at+got]
		if got == 0 {
			if n == 0 {
				n = len(*buf)
			}
			return n, true, nil
		}
	}
}

// handOut gives a chunk to whichever worker is free, or stores it here. The
// buffer goes back to the pass when the chunk is stored.
func (w *worker) handOut(ctx context.Context, u *unit, buf []byte) error {
	if len(buf) == 0 {
		w.pass.release(buf)
		return nil
	}
	ref := &chunkRef{}
	u.chunks = append(u.chunks, ref)
	u.pending.Add(1)
	job := chunkJob{unit: u, buf: buf, ref: ref}
	select {
	case w.pass.chunks <- job:
		return nil
	default:
		return w.storeJob(ctx, job)
	}
}

func (w *worker) storeJob(ctx context.Context, job chunkJob) error {
	err := w.emit(ctx, job.buf, job.ref)
	w.pass.release(job.buf)
	if err != nil {
		return err
	}
	job.unit.done()
	return nil
}

// buffer waits for a free chunk buffer and helps storing chunks meanwhile, so
// that workers which all read big files cannot wait for each other.
func (w *worker) buffer(ctx context.Context) ([]byte, error) {
	for {
		select {
		case buf := <-w.pass.buffers:
			if buf == nil {
				buf = make([]byte, 0, w.pass.saver.options.Params.MaxChunk+readStep+blockSize)
			}
			return buf[:0], nil
		case job := <-w.pass.chunks:
			if err := w.storeJob(ctx, job); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// content is the concatenation of a file's data segments.
type content struct {
	file     File
	segments []hostfs.Segment
	index    int   // of the segment that is read
	done     int64 // bytes of it that were read
	seen     []hostfs.Segment
	total    int64 // bytes read
	ended    bool  // the file ended before its segments did
	end      int64 // where, then
	progress func(n int64)
}

// fileError is an error of the file that is read, not of the repository that is
// written: the run goes on without the file.
type fileError struct{ error }

func (e fileError) Unwrap() error { return e.error }

func newContent(s *source) *content {
	c := &content{file: s.file, segments: s.segments, seen: []hostfs.Segment{}}
	if s.segments == nil && s.stat.Size > 0 {
		c.segments = []hostfs.Segment{{Len: s.stat.Size}}
	}
	return c
}

// read fills buf as far as the segments reach; 0 means the end.
func (c *content) read(buf []byte) (int, error) {
	total := 0
	for total < len(buf) && c.index < len(c.segments) {
		seg := c.segments[c.index]
		off, rest := seg.Off+c.done, seg.Len-c.done
		n, err := c.file.Pread(buf[total:min(int64(len(buf)), int64(total)+rest)], off)
		if err != nil {
			return 0, fileError{err}
		}
		if n == 0 {
			c.ended, c.end, c.index = true, off, len(c.segments)
			break
		}
		total += n
		c.note(off, int64(n))
	}
	c.total += int64(total)
	if c.progress != nil {
		c.progress(int64(total))
	}
	return total, nil
}

// note moves on by n bytes that were read at off.
func (c *content) note(off, n int64) {
	if c.done == 0 {
		c.seen = append(c.seen, hostfs.Segment{Off: off})
	}
	c.seen[len(c.seen)-1].Len += n
	c.done += n
	if c.done == c.segments[c.index].Len {
		c.index, c.done = c.index+1, 0
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
