//go:build linux

package chunk

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// A compareWorker compares the entries of runs and the chunks of big files with what is on disk.
type compareWorker struct {
	chunkReader
	folder openFolder
	c      *comparison
	buf    []byte
}

func (w *compareWorker) close() { w.folder.close() }

func (w *compareWorker) run(ctx context.Context, job contentJob) error {
	plain, err := w.readWhole(ctx, job.run)
	if err != nil {
		return err
	}
	entries, files, size, err := w.c.stream.visitRun(job, plain, func(e *streamEntry, to string) (bool, error) {
		opened, err := w.entry(e, to, job.target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			w.c.differ(to, missingEntry)
		case err != nil:
			w.c.differ(to, "cannot be read: %v", err)
		}
		return opened, nil
	})
	if err != nil {
		return err
	}
	w.c.count(1, entries, files, size)
	return nil
}

// entry compares one entry. It returns true when a big file is open for the chunks that follow.
func (w *compareWorker) entry(e *streamEntry, to string, target *bigTarget) (opened bool, err error) {
	h := &e.header
	dir, err := w.folder.open(parent(to))
	if err != nil {
		return false, err
	}
	name := path.Base(to)
	if to == "" {
		name = ""
	}
	st, err := dir.Stat(name)
	if err != nil {
		return false, err
	}
	if h.kind == tarHardlink {
		return false, w.link(h, to, &st)
	}
	if want := typeBits(h.kind); st.Mode&unix.S_IFMT != want {
		w.c.differ(to, "type was %o, is %o", want, st.Mode&unix.S_IFMT)
		return false, nil
	}
	w.meta(h, to, &st)
	if err := w.xattrs(dir, h, to, name); err != nil {
		return false, err
	}
	switch h.kind {
	case tarSymlink:
		link, err := dir.Readlink(name)
		if err == nil && link != h.link {
			w.c.differ(to, "target was %q, is %q", h.link, link)
		}
		return false, err
	case tarFile:
		return w.file(dir, name, e, to, target)
	}
	return false, nil
}

func typeBits(kind byte) uint32 {
	switch kind {
	case tarFile:
		return unix.S_IFREG
	case tarFolder:
		return unix.S_IFDIR
	case tarSymlink:
		return unix.S_IFLNK
	case tarFifo:
		return unix.S_IFIFO
	case tarChar:
		return unix.S_IFCHR
	case tarBlock:
		return unix.S_IFBLK
	}
	return 0
}

// link compares a hard link with the file that it is a name of.
func (w *compareWorker) link(h *header, to string, st *hostfs.Stat) error {
	target, ok := w.c.stream.selection.place(h.link)
	if !ok || target == to {
		return nil
	}
	dir, err := w.folder.open(parent(target))
	if err != nil {
		return err
	}
	first, err := dir.Stat(path.Base(target))
	if err == nil && (first.Ino != st.Ino || first.Dev != st.Dev) {
		w.c.differ(to, "is not a link of %q", target)
	}
	return err
}

func (w *compareWorker) meta(h *header, to string, st *hostfs.Stat) {
	// Links have no mode of their own.
	if h.kind != tarSymlink && st.Mode&0o7777 != h.mode {
		w.c.differ(to, "mode was %o, is %o", h.mode, st.Mode&0o7777)
	}
	if st.UID != h.uid || st.GID != h.gid {
		w.c.differ(to, "owner was %d:%d, is %d:%d", h.uid, h.gid, st.UID, st.GID)
	}
	if st.Mtime != h.mtime {
		w.c.differ(to, "mtime was %d.%09d, is %d.%09d", h.mtime.Sec, h.mtime.Nsec, st.Mtime.Sec, st.Mtime.Nsec)
	}
	if (h.kind == tarChar || h.kind == tarBlock) && st.Rdev != h.rdev {
		w.c.differ(to, "device was %#x, is %#x", h.rdev, st.Rdev)
	}
}

// xattrs compares extended attributes. What the kernel gives every file by itself (security.*) may be there in addition.
func (w *compareWorker) xattrs(dir *hostfs.Dir, h *header, to, name string) error {
	there, err := dir.Xattrs(name)
	if err != nil {
		return err
	}
	for _, x := range h.xattrs {
		i := slices.IndexFunc(there, func(y hostfs.Xattr) bool { return y.Name == x.Name })
		if i < 0 || !bytes.Equal(there[i].Value, x.Value) {
			w.c.differ(to, "attribute %s is missing or another", x.Name)
		}
	}
	for _, y := range there {
		known := slices.ContainsFunc(h.xattrs, func(x hostfs.Xattr) bool { return x.Name == y.Name })
		if !known && !strings.HasPrefix(y.Name, "security.") {
			w.c.differ(to, "attribute %s was not there", y.Name)
		}
	}
	return nil
}
