//go:build linux

package hostfs

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// partSize is how many entries of a folder one task looks at: a larger folder is shared by the workers, and the
	// stats of its end are not kept while its beginning is visited.
	partSize   = 4096
	direntSize = 128 << 10
)

// dirent is a name in a folder: arena[off:off+len], with a NUL after it.
type dirent struct {
	ino uint64
	off uint32
	len uint32
}

func (d dirent) name(arena string) string { return arena[d.off : d.off+d.len] }

// reader is the scratch space of one goroutine.
type reader struct {
	buf   []byte
	names []dirent
	arena []byte
	order []uint32
	statx unix.Statx_t
}

// read does what t stands for.
func (w *walker) read(r *reader, t *task) {
	f := t.dir
	if t.from > 0 {
		w.look(r, t, f.listed.arena, f.listed.names[t.from:t.to])
		f.leave()
		return
	}
	if !w.open(r, f) {
		return
	}
	defer f.leave()
	if err := r.list(f.fd); err != nil {
		w.fail(f, fmt.Errorf("read folder: %w", err))
	}
	arena := string(r.arena)
	slices.SortFunc(r.names, func(a, b dirent) int { return strings.Compare(a.name(arena), b.name(arena)) })
	if len(r.names) > partSize {
		f.listed = &listed{slices.Clone(r.names), arena}
		t.split(len(r.names))
	}
	w.look(r, t, arena, r.names[:min(partSize, len(r.names))])
}

// split makes the tasks for all but the first part of a folder of n names.
func (t *task) split(n int) {
	last := t
	for from := partSize; from < n; from += partSize {
		last.rest = &task{dir: t.dir, from: from, to: min(from+partSize, n)}
		last = last.rest
		t.dir.users.Add(1)
	}
}

// list reads all names of a folder.
func (r *reader) list(fd int) error {
	r.names, r.arena = r.names[:0], r.arena[:0]
	for {
		buf, err := r.fill(fd)
		if err != nil || len(buf) == 0 {
			return err
		}
		r.parse(buf)
	}
}

// fill reads the next bufferful of a folder; empty at its end.
func (r *reader) fill(fd int) ([]byte, error) {
	if r.buf == nil {
		r.buf = make([]byte, direntSize)
	}
	for {
		n, err := unix.Getdents(fd, r.buf)
		if err == unix.EINTR {
			continue
		}
		return r.buf[:max(n, 0)], err
	}
}

// parse keeps the names in a buffer.
func (r *reader) parse(buf []byte) {
	for len(buf) > 0 {
		var ino uint64
		var name []byte
		if ino, name, buf = nextDirent(buf); !isDots(name) {
			r.names = append(r.names, dirent{ino, uint32(len(r.arena)), uint32(len(name))})
			r.arena = append(append(r.arena, name...), 0)
		}
	}
}

// nextDirent takes the first record of getdents64 apart: inode, offset (8 bytes each), record length (2), type (1),
// name. A NUL follows the name in the buffer.
func nextDirent(buf []byte) (ino uint64, name, rest []byte) {
	const nameAt = 19
	size := binary.NativeEndian.Uint16(buf[16:])
	end := max(int(size)-8, nameAt) // records are padded to 8 bytes
	for buf[end] != 0 {
		end++
	}
	return binary.NativeEndian.Uint64(buf), buf[nameAt:end], buf[size:]
}

func isDots(name []byte) bool { return string(name) == "." || string(name) == ".." }

// look stats the names, in the order of their inodes because that is how they lie on a disk, and fills in t's result.
func (w *walker) look(r *reader, t *task, arena string, names []dirent) {
	f := t.dir
	all := make([]found, len(names))
	r.order = r.order[:0]
	for i := range names {
		r.order = append(r.order, uint32(i))
	}
	slices.SortFunc(r.order, func(a, b uint32) int { return cmp.Compare(names[a].ino, names[b].ino) })
	for n, i := range r.order {
		if n%64 == 0 && w.queue.stopped.Load() {
			return
		}
		name := names[i].name(arena)
		if err := statxAt(f.fd, unsafe.StringData(name), &r.statx, &all[i].st); err != nil {
			w.problem(join(f.path, name), fmt.Errorf("stat: %w", err))
			continue
		}
		all[i].name = name
	}
	w.keep(t, all)
}

// keep puts what is wanted of all into t's result, with a task for each folder to go into.
func (w *walker) keep(t *task, all []found) {
	f, n := t.dir, 0
	for i := range all {
		e := &all[i]
		if e.name == "" || w.options.Skip != nil && w.options.Skip(f.path, e.name, &e.st) {
			continue
		}
		if n != i {
			all[n] = *e
		}
		n++
		if !e.st.IsDir() {
			continue
		}
		if path := join(f.path, e.name); w.enters(f, path, &e.st) {
			t.subs = append(t.subs, sub{n, &task{dir: &folder{parent: f, path: path, mount: e.st.mount(), fd: -1}}})
		}
	}
	clear(all[n:])
	t.found = all[:n]
	if w.kept.n.Load() > maxKeptFDs {
		return
	}
	for _, s := range t.subs {
		s.task.dir.viaParent = true
	}
	f.users.Add(int32(len(t.subs)))
}
