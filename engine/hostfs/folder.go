//go:build linux

package hostfs

import (
	"cmp"
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
	mount  mountOf // as its parent's reading found it; once open, as it is

	fd        int          // open while users > 0
	users     atomic.Int32 // tasks that still need fd: own parts and unopened subfolders
	viaParent bool         // is a user of its parent
	kept      *keptFDs

	listed *listed // nil: not kept
}

// listed are the names of a folder that is read in several parts.
type listed struct {
	names []dirent
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
	at, rel := w.rootFD, f.path
	if f.viaParent {
		at, rel = f.parent.fd, f.path[strings.LastIndexByte(f.path, '/')+1:]
	}
	fd, onMount, err := w.openOnMount(at, rel)
	if f.viaParent {
		f.parent.leave()
	}
	switch {
	case err == unix.EXDEV && onMount: // something was mounted since the entry was read, by opening it even
		return false
	case err != nil:
		w.fail(f, fmt.Errorf("open folder: %w", err))
		return false
	}
	f.fd, f.kept = fd, &w.kept
	f.kept.n.Add(1)
	f.users.Store(1)
	if onMount || w.stillEntered(r, f) {
		return true
	}
	f.leave()
	return false
}

// openOnMount opens a folder, and says whether the kernel saw to it that it is on the mount of at. That spares looking
// at every folder once more.
func (w *walker) openOnMount(at int, rel string) (fd int, onMount bool, err error) {
	if w.options.EnterMount == nil && len(rel) <= maxPath {
		how := unix.OpenHow{Flags: openDirFlags | unix.O_NOATIME, Resolve: resolve | unix.RESOLVE_NO_XDEV}
		fd, err = openat2(at, cmp.Or(rel, "."), &how)
		if err == unix.EPERM {
			how.Flags = openDirFlags
			fd, err = openat2(at, cmp.Or(rel, "."), &how)
		}
		if err != unix.ENOSYS && err != unix.EPERM { // before Linux 5.6, or in a sandbox older than that
			return fd, true, err
		}
	}
	fd, err = openBeneath(at, rel)
	return fd, false, err
}

// stillEntered looks at an open folder: something may have been mounted since its entry was read.
func (w *walker) stillEntered(r *reader, f *folder) bool {
	var empty byte
	var st Stat
	if err := statxAt(f.fd, &empty, &r.statx, &st); err != nil {
		w.fail(f, fmt.Errorf("stat folder: %w", err))
		return false
	}
	if f.parent != nil && !st.mount().same(f.mount) && !w.enters(f.parent, f.path, &st) {
		return false
	}
	f.mount = st.mount()
	return true
}

func (w *walker) enters(parent *folder, path string, st *Stat) bool {
	return st.mount().same(parent.mount) || w.options.EnterMount != nil && w.options.EnterMount(path, st)
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
