package chunk

import (
	"slices"

	"davit/engine/hostfs"
)

// readAttempts is how often a file that changes while it is read is tried.
const readAttempts = 3

// source is an open regular file and what the kernel says of it.
type source struct {
	file     File
	stat     hostfs.Stat
	xattrs   []hostfs.Xattr
	segments []hostfs.Segment // nil for a dense file
	still    bool             // a clone, which nobody writes
}

func (w *worker) openSource(m *member) (*source, error) {
	dir, err := w.open(m.folder())
	if err != nil {
		return nil, err
	}
	file, st, err := dir.OpenRegular(m.name())
	if err != nil {
		return nil, err
	}
	s := &source{file: file, stat: st}
	if s.xattrs, err = file.Xattrs(); err == nil {
		err = s.findHoles()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) close() { _ = s.file.Close() } // read-only

// findHoles asks for the data map only where fewer blocks than the size needs
// are allocated; most files cost no system call.
func (s *source) findHoles() error {
	const page = 4096
	if s.stat.Size <= page || s.stat.Blocks*512 >= s.stat.Size {
		return nil
	}
	segments, err := s.file.DataSegments(s.stat.Size)
	if err != nil {
		return err
	}
	if !isDense(segments, s.stat.Size) {
		s.segments = limitSegments(segments)
		if s.segments == nil {
			s.segments = []hostfs.Segment{}
		}
	}
	return nil
}

// refresh looks at the file again before it is read once more.
func (s *source) refresh() error {
	st, err := s.file.Stat()
	if err != nil {
		return err
	}
	s.stat, s.segments = st, nil
	return s.findHoles()
}

// changed tells whether the file was written since it was opened.
func (s *source) changed() (bool, error) {
	if s.still {
		return false, nil
	}
	now, err := s.file.Stat()
	if err != nil {
		return false, err
	}
	return now.Size != s.stat.Size || now.Mtime != s.stat.Mtime || now.Ctime != s.stat.Ctime, nil
}

// addFile appends a small file. One that changes meanwhile is read again, and
// reported when it does not come to rest: its entry then holds what was read.
func (w *worker) addFile(u *unit, m *member) error {
	at, linesAt, entries := len(w.plain), len(w.lines), u.entries
	for attempt := 1; ; attempt++ {
		w.plain, w.lines, u.entries = w.plain[:at], w.lines[:linesAt], entries
		changed, err := w.addFileOnce(u, m)
		if err != nil {
			w.plain, w.lines, u.entries = w.plain[:at], w.lines[:linesAt], entries
			return err
		}
		if !changed {
			return nil
		}
		if attempt == readAttempts || w.pass.options.Warm {
			u.problems = append(u.problems, Problem{Path: m.path, Kind: Changed, Reason: "written while it was read"})
			return nil
		}
	}
}

func (w *worker) addFileOnce(u *unit, m *member) (changed bool, err error) {
	s, err := w.openSource(m)
	if err != nil {
		return false, err
	}
	defer s.close()
	h := w.header(m, &s.stat, s.xattrs)
	e := &Entry{Kind: KindFile, Size: s.stat.Size, Offset: int64(len(w.plain))}
	short := false
	if s.segments == nil {
		short, err = w.appendDense(h, e, s)
	} else {
		short, err = w.appendSparse(h, e, s)
	}
	if err != nil {
		return false, err
	}
	w.addLine(u, h, e)
	u.read += h.size
	if changed, err = s.changed(); err != nil {
		return false, err
	}
	m.stat = s.stat
	return changed || short, nil
}

// appendDense reads the content straight behind its header. The entry gets the
// size that was read; short tells that it is not the size of the file.
func (w *worker) appendDense(h *header, e *Entry, s *source) (short bool, err error) {
	size := min(s.stat.Size, 2*bigFile)
	h.size = size
	w.plain = h.append(w.plain)
	e.Data = int64(len(w.plain))
	w.plain = slices.Grow(w.plain, int(size)+1+blockSize)
	n, err := preadFull(s.file, w.plain[e.Data:e.Data+size+1], 0, int(size))
	if err != nil {
		return false, err
	}
	n = min(n, int(size))
	if int64(n) != h.size {
		h.size = int64(n)
		setSize(w.plain[:e.Data], h.size)
	}
	e.Size = h.size
	w.plain = appendZeros(w.plain[:int(e.Data)+n], padding(h.size))
	return h.size != s.stat.Size, nil
}

func (w *worker) appendSparse(h *header, e *Entry, s *source) (short bool, err error) {
	h.sparse, h.real, h.size = s.segments, s.stat.Size, contentSize(s.segments)
	e.Sparse = true
	if h.size > 2*bigFile {
		h.sparse, h.size, short = []hostfs.Segment{}, 0, true
	}
	w.plain = h.append(w.plain)
	e.Data = int64(len(w.plain))
	w.plain = slices.Grow(w.plain, int(h.size)+blockSize)
	for _, seg := range h.sparse {
		at := len(w.plain)
		w.plain = w.plain[:at+int(seg.Len)]
		n, err := preadFull(s.file, w.plain[at:], seg.Off, int(seg.Len))
		if err != nil {
			return false, err
		}
		clear(w.plain[at+n:])
		short = short || int64(n) != seg.Len
	}
	w.plain = appendZeros(w.plain, padding(h.size))
	return short, nil
}

// preadFull reads until it has enough, buf is full or the file ends. Who gives a longer
// buf than is enough sees whether there is more, without a second read that would say
// that there is not.
func preadFull(file File, buf []byte, off int64, enough int) (int, error) {
	total := 0
	for total < enough {
		n, err := file.Pread(buf[total:], off+int64(total))
		if err != nil {
			return total, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	return total, nil
}
