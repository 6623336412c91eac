package hostfs

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxKeptFDs bounds the folders that stay open for opening their subfolders.
const maxKeptFDs = 256

// folder is a folder that was found and is to be read, or is being delivered.
type folder struct {
	parent *folder // nil for the root
	path   string
	st     Stat // as its parent's reading found it; once open, as it is

	fd        int          // open while users > 0
	users     atomic.Int32 // tasks that still need fd: own parts and unopened subfolders
	viaParent bool         // is a user of its parent
	kept      *keptFDs

	names []dirent // of a folder in several parts
	arena string
}

// keptFDs counts the folders that are kept open.
type keptFDs struct{ n atomic.Int32 }

// release says that t no longer needs the descriptor it would have read from.
func (t *task) release() {
	switch {
	case t.from > 0:
		t.dir.leave()
	case t.dir.viaParent:
		t.dir.parent.leave()
	}
}

func (f *folder) leave() {
	if f.users.Add(-1) == 0 {
		unix.Close(f.fd)
		f.kept.n.Add(-1)
	}
}

// open opens f for reading, and says whether there is something to read.
func (w *walker) open(r *reader, f *folder) bool {
	var err error
	switch {
	case f.viaParent:
		f.fd, err = openPieceNoatime(f.parent.fd, f.path[strings.LastIndexByte(f.path, '/')+1:])
		f.parent.leave()
	default:
		f.fd, err = openBeneath(w.rootFD, f.path)
	}
	if err != nil {
		w.fail(f, fmt.Errorf("open folder: %w", err))
		return false
	}
	f.kept = &w.kept
	f.kept.n.Add(1)
	f.users.Store(1)
	var empty byte
	var st Stat
	if err := statxAt(f.fd, &empty, &r.statx, &st); err != nil {
		w.fail(f, fmt.Errorf("stat folder: %w", err))
		f.leave()
		return false
	}
	// Something may have been mounted since the entry was read, by opening it even.
	if f.parent != nil && st.onOtherMount(&f.st) && !w.enters(f.parent, f.path, &st) {
		f.leave()
		return false
	}
	f.st = st
	return true
}

func (w *walker) enters(parent *folder, path string, st *Stat) bool {
	return !st.onOtherMount(&parent.st) || w.options.EnterMount != nil && w.options.EnterMount(path, st)
}

// fail notes that a folder could not be read.
func (w *walker) fail(f *folder, err error) {
	if f.parent == nil {
		w.rootErr = err
		return
	}
	w.problem(f.path, err)
}

func (w *walker) problem(path string, err error) {
	if w.options.Problem != nil && !vanished(err) {
		w.options.Problem(path, err)
	}
}

// vanished says whether the error means that what was found is no longer there, or is something else now.
func vanished(err error) bool {
	for _, gone := range []error{unix.ENOENT, unix.ESTALE, unix.ENOTDIR, unix.ELOOP} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}
