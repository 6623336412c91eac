package chunk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"davit/engine/hostfs"
)

// A worker reads units. It keeps the folder it read last open, since a run's
// members mostly share one.
type worker struct {
	pass   *pass
	enc    *encoder
	plain  []byte // the run being built
	lines  []byte // its catalog lines
	stored []byte
	sealed []byte
	folder string
	dir    Folder
}

func (p *pass) newWorker() (*worker, error) {
	enc, err := newEncoder(p.saver.options.Level)
	if err != nil {
		return nil, err
	}
	return &worker{pass: p, enc: enc}, nil
}

func (w *worker) close() {
	if w.dir != nil {
		_ = w.dir.Close() // read-only
	}
}

// store puts a plain chunk into the repository unless its index has it.
func (w *worker) store(ctx context.Context, plain []byte, out *chunkRef) error {
	repository := w.pass.saver.store
	id := repository.ContentID(plain)
	if blob, ok := w.pass.lookup(id); ok {
		out.blob = blob
		return nil
	}
	w.stored = w.enc.encode(plain, w.stored[:0])
	sealed, err := repository.Seal(w.sealed, w.stored)
	if err != nil {
		return fmt.Errorf("encrypt chunk: %w", err)
	}
	if repository.Encrypted() {
		w.sealed = sealed
	}
	blob, err := repository.Put(ctx, id, int64(len(plain)), sealed)
	if err != nil {
		return fmt.Errorf("store chunk: %w", err)
	}
	out.blob, out.isNew = blob, true
	return nil
}

// emit stores a chunk, or keeps it for later while containers are frozen.
func (w *worker) emit(ctx context.Context, plain []byte, out *chunkRef) error {
	if w.pass.spool != nil && !w.pass.thawed {
		return w.pass.spool.put(plain, out)
	}
	return w.store(ctx, plain, out)
}

// readUnit reads what the cache did not answer of u.
func (w *worker) readUnit(ctx context.Context, u *unit) error {
	if u.cloned != nil {
		return w.readCloned(ctx, u)
	}
	w.plain, w.lines = w.plain[:0], w.lines[:0]
	if u.forget != nil {
		defer u.forget()
	}
	small := u.members
	if u.big {
		small = small[:len(small)-1]
	}
	for i := range small {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.addMember(u, &small[i]); err != nil {
			return err
		}
	}
	if u.big {
		if err := w.addBig(ctx, u); err != nil {
			return err
		}
	}
	if u.cloned != nil {
		u.cloned.plain, u.cloned.lines = slices.Clone(w.plain), slices.Clone(w.lines)
		return nil
	}
	return w.finishUnit(ctx, u)
}

// finishUnit emits the run of a unit that was read.
func (w *worker) finishUnit(ctx context.Context, u *unit) error {
	u.lines = append([]byte(nil), w.lines...)
	if len(w.plain) > 0 {
		u.run = &chunkRef{}
		if err := w.emit(ctx, w.plain, u.run); err != nil {
			return err
		}
	}
	u.trusted = u.harmless() && w.pass.trusted && u.settled(w.pass.begin)
	u.fingerprints(nil)
	u.done()
	return nil
}

// addMember appends one entry of the run. What goes wrong with the file itself
// is noted in u and leaves the stream without it.
func (w *worker) addMember(u *unit, m *member) error {
	var err error
	switch kind := kindOf(m.stat.Mode); {
	case kind == KindFolder:
		err = w.addFolder(u, m)
	case kind == KindSocket:
		w.addLine(u, &header{path: m.path, mode: m.stat.Mode, uid: m.stat.UID, gid: m.stat.GID, mtime: m.stat.Mtime}, &Entry{Kind: KindSocket})
		u.problems = append(u.problems, Problem{Path: m.path, Kind: Socket})
	case m.role == roleLink:
		h := w.header(m, &m.stat, nil)
		h.kind, h.link = tarHardlink, m.primary
		w.addHeader(u, h, &Entry{Kind: KindHardlink, Size: m.stat.Size})
	case kind == KindFile:
		err = w.addFile(u, m)
	default:
		err = w.addSpecial(u, m, kind)
	}
	return w.note(u, m, err)
}

// note turns an error of one file into a problem; other errors are returned.
func (w *worker) note(u *unit, m *member, err error) error {
	if err == nil {
		return nil
	}
	var errno syscall.Errno
	problem := Problem{Path: m.path, Reason: err.Error()}
	switch {
	case errors.Is(err, hostfs.ErrNotRegular), errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ELOOP),
		errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EXDEV):
		problem.Kind = Vanished
	case errors.As(err, &errno):
		problem.Kind = Unreadable
	default:
		return err
	}
	u.problems = append(u.problems, problem)
	if m.role == rolePrimary {
		u.lost = append(u.lost, m.path)
	}
	return nil
}

// open returns the folder that holds m.
func (w *worker) open(path string) (Folder, error) {
	if w.dir != nil && w.folder == path {
		return w.dir, nil
	}
	if w.dir != nil {
		_ = w.dir.Close() // read-only
		w.dir = nil
	}
	dir, err := w.pass.root.OpenFolder(path)
	if err != nil {
		return nil, err
	}
	w.dir, w.folder = dir, path
	return dir, nil
}

func (w *worker) header(m *member, st *hostfs.Stat, xattrs []hostfs.Xattr) *header {
	return &header{
		path: m.path, kind: kindOf(st.Mode).typeflag(), mode: st.Mode & 0o7777,
		uid: st.UID, gid: st.GID, mtime: st.Mtime, xattrs: xattrs,
	}
}

// addHeader appends an entry without content and its catalog line.
func (w *worker) addHeader(u *unit, h *header, e *Entry) {
	e.Offset = int64(len(w.plain))
	w.plain = h.append(w.plain)
	w.addLine(u, h, e)
}

func (w *worker) addLine(u *unit, h *header, e *Entry) {
	e.Path, e.Mode, e.UID, e.GID, e.Mtime = h.path, h.mode&0o7777, h.uid, h.gid, h.mtime
	e.Link, e.Rdev, e.Xattrs = h.link, h.rdev, len(h.xattrs)
	w.lines = appendEntry(w.lines, e)
	u.entries++
}

func (w *worker) addFolder(u *unit, m *member) error {
	dir, err := w.open(m.path)
	if err != nil {
		return err
	}
	xattrs, err := dir.Xattrs("")
	if err != nil {
		return err
	}
	w.addHeader(u, w.header(m, &m.stat, xattrs), &Entry{Kind: KindFolder})
	return nil
}

// addSpecial appends a symlink, fifo or device; none of them is opened.
func (w *worker) addSpecial(u *unit, m *member, kind Kind) error {
	dir, err := w.open(m.folder())
	if err != nil {
		return err
	}
	xattrs, err := dir.Xattrs(m.name())
	if err != nil {
		return err
	}
	h := w.header(m, &m.stat, xattrs)
	switch kind {
	case KindSymlink:
		if h.link, err = dir.Readlink(m.name()); err != nil {
			return err
		}
	case KindChar, KindBlock:
		h.rdev = m.stat.Rdev
	}
	w.addHeader(u, h, &Entry{Kind: kind})
	return nil
}
