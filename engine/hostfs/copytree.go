//go:build linux

package hostfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// CopyTree makes dst a copy of src: data with holes where the source has them, owners, modes, times to the nanosecond,
// all extended attributes and ACLs, hard links (also of symlinks and nodes), devices, fifos, sockets, and the flags
// that chattr sets. Symlinks are never followed, and nothing that is mounted below src is entered.
//
// The source may change meanwhile; the pass after this one then finds it. A pass begins by writing the source's
// dirty pages out, since a store into a page that is dirty already changes no time, and goes by ctime, which nobody can
// set but with the clock; one that was set back between two passes is allowed for. Files that changed are made anew, not
// written into, so that a copy is either the old or a new one, and links stay right. A pass over a source at rest, with
// Delete, makes both trees equal.
//
// What cannot be read is a Problem, and so is metadata that the target cannot hold; any other error of the target ends
// the copy. Nothing is fsynced: see [Root.Syncfs].
func CopyTree(ctx context.Context, src, dst *Root, o CopyOptions) (*CopyPass, error) {
	c, err := newCopier(src, dst, o)
	if err != nil {
		return nil, err
	}
	if err := src.Syncfs(); err != nil {
		return nil, err
	}
	if err := c.feed.run(ctx, c.workers, c.parcel); err != nil {
		return nil, fmt.Errorf("copy %s to %s: %w", src.path, dst.path, err)
	}
	if err := c.links(ctx); err != nil {
		return nil, fmt.Errorf("copy %s to %s: %w", src.path, dst.path, err)
	}
	if err := c.finishFolders(ctx); err != nil {
		return nil, fmt.Errorf("copy %s to %s: %w", src.path, dst.path, err)
	}
	return c.pass, nil
}

// copier is one copy under way.
type copier struct {
	src, dst *Root
	o        CopyOptions
	counts   *CopyCounts
	workers  int
	feed     *feed
	pass     *CopyPass
	since    Timespec // what changed earlier, the pass before has copied
	buffers  sync.Pool

	noClone atomic.Bool // the two file systems cannot share data
	noRange atomic.Bool // nor copy it inside the kernel
}

func newCopier(src, dst *Root, o CopyOptions) (*copier, error) {
	began, err := coarseNow()
	if err != nil {
		return nil, err
	}
	clock, err := markClock()
	if err != nil {
		return nil, err
	}
	c := &copier{
		src: src, dst: dst, o: o, counts: o.Counts, workers: o.Workers,
		pass: &CopyPass{Began: began, clock: clock, folders: map[string]uint64{}},
	}
	if o.Before != nil {
		c.since = o.Before.began(clock)
	}
	if c.counts == nil {
		c.counts = &CopyCounts{}
	}
	if c.workers <= 0 {
		c.workers = 2 * runtime.GOMAXPROCS(0)
	}
	c.buffers.New = func() any { b := make([]byte, copyBuffer); return &b }
	c.noClone.Store(o.NoReflink)
	c.feed = &feed{
		root: src, skip: o.Skip, problem: o.Problem, keepNames: o.Delete,
		entry: func(e *Entry) {
			c.counts.Entries.Add(1)
			if e.IsDir() {
				c.pass.folders[e.Path()] = e.Ino
			}
		},
		mount: func(path string) { c.pass.Mounts = append(c.pass.Mounts, path) },
	}
	return c, nil
}

// coarseNow is the clock by which the kernel dates inodes: never later than the next date it gives.
func coarseNow() (Timespec, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &ts); err != nil {
		return Timespec{}, fmt.Errorf("read the clock: %w", err)
	}
	return Timespec{Sec: int64(ts.Sec), Nsec: uint32(ts.Nsec)}, nil // int32 on 32-bit machines
}

// fresh tells whether the folder at path is another one than in the pass before.
func (c *copier) fresh(path string, ino uint64) bool {
	return c.o.Before == nil || c.o.Before.folders[path] != ino
}

// unchanged tells whether the copy of an entry, in a folder that is not fresh, is still good.
func (c *copier) unchanged(was, is *Stat) bool {
	return c.o.Before != nil && was.Ctime.Before(c.since) && sameInode(was, is)
}

// sameInode compares what a copy must have in common with its original, as far as stat tells.
func sameInode(a, b *Stat) bool {
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.Mtime == b.Mtime && a.Rdev == b.Rdev &&
		(!a.IsRegular() || a.Size == b.Size)
}

// trouble sorts errors: what vanished is nothing, what cannot be read or held is told, the rest ends the copy.
func (c *copier) trouble(path string, err error) error {
	var read *readError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &read) && vanished(err):
		return nil
	case errors.As(err, &read), onlyMeta(err):
		if c.o.Problem != nil {
			c.o.Problem(path, err)
		}
		return nil
	}
	return fmt.Errorf("%q: %w", path, err)
}

// readError is an error of the source.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

func reading(err error) error {
	if err == nil {
		return nil
	}
	return &readError{err}
}

// onlyMeta tells whether an error is about metadata that the target cannot hold, and not about a full or broken disk.
func onlyMeta(err error) bool {
	var m *MetaError
	if !errors.As(err, &m) {
		return false
	}
	for _, disk := range []error{unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO} {
		if errors.Is(err, disk) {
			return false
		}
	}
	return true
}

// openMade opens a folder of the target, and makes it and those above it if they are missing.
func (c *copier) openMade(path string) (*Dir, error) {
	d, err := c.dst.OpenDir(path)
	if err == nil || !vanished(err) || path == "" {
		return d, err
	}
	dir, name := split(path)
	parent, err := c.openMade(dir)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	if err := c.makeFolder(parent, dir, name); err != nil {
		return nil, err
	}
	return c.dst.OpenDir(path)
}

// makeFolder makes a folder, in the place of anything else that has its name.
func (c *copier) makeFolder(parent *Dir, dir, name string) error {
	err := c.unlocked(parent, name, func() error { return parent.Mkdir(name) })
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	st, err := parent.Stat(name)
	if err != nil || st.IsDir() {
		return err
	}
	// Not with what is below: another worker may just have made the folder.
	err = c.unlocked(parent, name, func() error { return unix.Unlinkat(parent.fd, name, 0) })
	if err != nil && err != unix.EISDIR && err != unix.ENOENT {
		return fmt.Errorf("remove %q: %w", join(dir, name), err)
	}
	if err := parent.Mkdir(name); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
