//go:build linux

package hostfs_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// A tree with everything in it, read and written with this package only, is the same tree.
func TestCopyKeepsEverything(t *testing.T) {
	enginetest.NeedRoot(t)
	from, to := t.TempDir(), t.TempDir()
	enginetest.BuildTree(t, from)
	enginetest.AddSocket(t, filepath.Join(from, "socket"))
	enginetest.AddHugeSparse(t, filepath.Join(from, "huge"))
	must(t, openRoot(t, from).Syncfs()) // while a file is written out, its blocks change
	c := copier{t: t, src: openRoot(t, from), dst: openRoot(t, to), links: map[uint64]string{}}
	c.copyAll()
	want, err := enginetest.DescribeTree(from)
	must(t, err)
	got, err := enginetest.DescribeTree(to)
	must(t, err)
	for _, line := range want.Diff(got) {
		t.Error(line)
	}
}

type copier struct {
	t        *testing.T
	src, dst *hostfs.Root
	links    map[uint64]string // inode -> its first path
	folders  []hostfs.Entry
}

func (c *copier) copyAll() {
	must(c.t, c.src.Walk(context.Background(), hostfs.WalkOptions{}, func(e *hostfs.Entry) error {
		if e.IsDir() {
			c.folders = append(c.folders, *e)
		}
		if e.Path() != "" {
			c.copy(e)
		}
		return nil
	}))
	for i := range c.folders { // what is in a folder changes its time
		e := &c.folders[len(c.folders)-1-i]
		from, to := c.open(c.src, e.Path()), c.open(c.dst, e.Path())
		xattrs, err := from.Xattrs("")
		must(c.t, err)
		must(c.t, hostfs.SetMetaFd(to.FD(), meta(e, xattrs)))
		from.Close()
		to.Close()
	}
}

func (c *copier) open(root *hostfs.Root, rel string) *hostfs.Dir {
	c.t.Helper()
	d, err := root.OpenDir(rel)
	must(c.t, err)
	return d
}

func meta(e *hostfs.Entry, xattrs []hostfs.Xattr) *hostfs.Meta {
	return &hostfs.Meta{Mode: e.Mode, UID: e.UID, GID: e.GID, Mtime: e.Mtime, Xattrs: xattrs}
}

func (c *copier) copy(e *hostfs.Entry) {
	from, to := c.open(c.src, e.Dir), c.open(c.dst, e.Dir)
	defer from.Close()
	defer to.Close()
	if first, ok := c.links[e.Ino]; ok && e.Nlink > 1 && !e.IsDir() {
		old := c.open(c.dst, filepath.Dir(first))
		must(c.t, to.Link(old, filepath.Base(first), e.Name))
		old.Close()
		return
	}
	c.links[e.Ino] = e.Path()
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFDIR: // its metadata comes last
		must(c.t, to.Mkdir(e.Name))
		return
	case unix.S_IFREG:
		c.copyFile(from, to, e)
		return
	case unix.S_IFLNK:
		target, err := from.Readlink(e.Name)
		must(c.t, err)
		must(c.t, to.Symlink(target, e.Name))
	default:
		must(c.t, to.Mknod(e.Name, e.Mode, e.Rdev))
	}
	xattrs, err := from.Xattrs(e.Name)
	must(c.t, err)
	must(c.t, to.SetMeta(e.Name, meta(e, xattrs)))
}

func (c *copier) copyFile(from, to *hostfs.Dir, e *hostfs.Entry) {
	in, st, err := from.OpenRegular(e.Name)
	must(c.t, err)
	if st != e.Stat {
		c.t.Errorf("%q: opened as %+v, walked as %+v", e.Path(), st, e.Stat)
	}
	out, err := to.CreateFile(e.Name)
	must(c.t, err)
	src, dst := os.NewFile(uintptr(in), e.Name), os.NewFile(uintptr(out), e.Name)
	defer src.Close()
	defer dst.Close()
	segs, err := hostfs.DataSegments(in, st.Size)
	must(c.t, err)
	for _, s := range segs {
		_, err := io.Copy(io.NewOffsetWriter(dst, s.Off), io.NewSectionReader(src, s.Off, s.Len))
		must(c.t, err)
	}
	must(c.t, unix.Ftruncate(out, st.Size))
	xattrs, err := hostfs.FdXattrs(in)
	must(c.t, err)
	must(c.t, hostfs.SetMetaFd(out, meta(e, xattrs)))
}
