//go:build linux

package hostfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// CompareTree looks whether two trees that nobody changes are the same for whoever uses them: names, types, modes,
// owners, sizes, times of modification, link targets, devices, extended attributes, flags, which names are links of one
// file, and the content that is asked for. What is mounted below is not entered. The second tree's content is read from
// its disk, not from memory, where the kernel lets us.
func CompareTree(ctx context.Context, a, b *Root, o CompareOptions) (Comparison, error) {
	c := &comparer{a: a, b: b, o: o}
	workers := o.Workers
	if workers <= 0 {
		workers = 2 * runtime.GOMAXPROCS(0)
	}
	c.feed = &feed{
		root: a, skip: o.Skip, problem: o.Problem, keepNames: true,
		entry: func(*Entry) { c.entries.Add(1) }, mount: func(string) {},
	}
	err := c.feed.run(ctx, workers, c.parcel)
	if err == nil {
		err = inParallel(ctx, workers, c.feed.again, c.link)
	}
	if err == nil {
		err = c.root()
	}
	if err != nil {
		return c.result(), fmt.Errorf("compare %s with %s: %w", a.path, b.path, err)
	}
	return c.result(), nil
}

type comparer struct {
	a, b *Root
	o    CompareOptions
	feed *feed

	entries, bytes, differences atomic.Int64
}

func (c *comparer) result() Comparison {
	return Comparison{Entries: c.entries.Load(), Bytes: c.bytes.Load(), Differences: c.differences.Load()}
}

func (c *comparer) differ(path, format string, args ...any) {
	c.differences.Add(1)
	if c.o.Differ != nil {
		c.o.Differ(path, fmt.Sprintf(format, args...))
	}
}

func (c *comparer) problem(path string, err error) {
	if c.o.Problem != nil {
		c.o.Problem(path, err)
	}
}

// root compares the two roots themselves.
func (c *comparer) root() error {
	a, err := c.a.OpenDir("")
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := c.b.OpenDir("")
	if err != nil {
		return err
	}
	defer b.Close()
	st, err := a.Stat("")
	if err != nil {
		return err
	}
	c.meta(a, b, "", "", &st)
	return nil
}

func (c *comparer) parcel(ctx context.Context, p *parcel) error {
	a, err := c.a.OpenDir(p.dir)
	if err != nil {
		c.problem(p.dir, err)
		return nil
	}
	defer a.Close()
	b, err := c.b.OpenDir(p.dir)
	if err != nil { // that it is missing or no folder is told by its entry
		if !vanished(err) {
			c.problem(p.dir, err)
		}
		return nil
	}
	defer b.Close()
	for i := range p.entries {
		e := &p.entries[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if !c.meta(a, b, e.Path(), e.Name, &e.Stat) || !e.IsRegular() || c.o.Content == nil || !c.o.Content(e) {
			continue
		}
		if err := c.content(ctx, a, b, e); err != nil {
			return err
		}
	}
	if p.last {
		c.others(b, p)
	}
	return nil
}

// others looks for what only the second tree has.
func (c *comparer) others(b *Dir, p *parcel) {
	names, err := b.names()
	if err != nil {
		c.problem(p.dir, err)
		return
	}
	for _, n := range names {
		if _, known := p.names[n]; known {
			continue
		}
		st, err := b.Stat(n)
		if err == nil && c.o.Skip != nil && c.o.Skip(p.dir, n, &st) {
			continue
		}
		c.differ(join(p.dir, n), "is only in the copy")
	}
}

// meta compares everything but content, and tells whether content can be compared.
func (c *comparer) meta(a, b *Dir, path, name string, was *Stat) bool {
	is, err := b.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		c.differ(path, "is missing")
		return false
	}
	if err != nil {
		c.problem(path, err)
		return false
	}
	if was.Mode&unix.S_IFMT != is.Mode&unix.S_IFMT {
		c.differ(path, "type was %o, is %o", was.Mode&unix.S_IFMT, is.Mode&unix.S_IFMT)
		return false
	}
	c.stats(path, was, &is)
	if was.IsSymlink() {
		c.targets(a, b, path, name)
	}
	c.xattrs(a, b, path, name)
	return !was.IsRegular() || was.Size == is.Size
}

func (c *comparer) stats(path string, was, is *Stat) {
	if was.Mode != is.Mode {
		c.differ(path, "mode was %o, is %o", was.Mode&0o7777, is.Mode&0o7777)
	}
	if was.UID != is.UID || was.GID != is.GID {
		c.differ(path, "owner was %d:%d, is %d:%d", was.UID, was.GID, is.UID, is.GID)
	}
	if was.Mtime != is.Mtime {
		c.differ(path, "mtime was %d.%09d, is %d.%09d", was.Mtime.Sec, was.Mtime.Nsec, is.Mtime.Sec, is.Mtime.Nsec)
	}
	if was.Rdev != is.Rdev {
		c.differ(path, "device was %#x, is %#x", was.Rdev, is.Rdev)
	}
	if (was.IsRegular() || was.IsDir()) && was.Chattr != is.Chattr {
		c.differ(path, "flags were %#x, are %#x", was.Chattr, is.Chattr)
	}
	if was.IsRegular() && was.Size != is.Size {
		c.differ(path, "size was %d, is %d", was.Size, is.Size)
	}
}

func (c *comparer) targets(a, b *Dir, path, name string) {
	was, err1 := a.Readlink(name)
	is, err2 := b.Readlink(name)
	if err := errors.Join(err1, err2); err != nil {
		c.problem(path, err)
	} else if was != is {
		c.differ(path, "target was %q, is %q", was, is)
	}
}

func (c *comparer) xattrs(a, b *Dir, path, name string) {
	was, err1 := a.Xattrs(name)
	is, err2 := b.Xattrs(name)
	if err := errors.Join(err1, err2); err != nil {
		c.problem(path, err)
		return
	}
	for _, x := range was {
		i := slices.IndexFunc(is, func(y Xattr) bool { return y.Name == x.Name })
		if i < 0 {
			c.differ(path, "xattr %s is missing", x.Name)
		} else if !bytes.Equal(x.Value, is[i].Value) {
			c.differ(path, "xattr %s was %q, is %q", x.Name, x.Value, is[i].Value)
		}
	}
	for _, x := range is {
		if !slices.ContainsFunc(was, func(y Xattr) bool { return y.Name == x.Name }) {
			c.differ(path, "xattr %s is only in the copy", x.Name)
		}
	}
}

// link looks whether a further name is one of the same file in the second tree as well.
func (c *comparer) link(a *again) error {
	first, ok := c.inode(a.first)
	if !ok {
		return nil
	}
	if own, ok := c.inode(a.own); ok && own != first {
		c.differ(join(a.own.dir, a.own.name), "is no longer a link of %q", join(a.first.dir, a.first.name))
	}
	return nil
}

// inode is that of a name in the second tree.
func (c *comparer) inode(n name) (inodeKey, bool) {
	path := join(n.dir, n.name)
	d, err := c.b.OpenDir(n.dir)
	if err != nil {
		c.differ(path, "is missing")
		return inodeKey{}, false
	}
	defer d.Close()
	st, err := d.Stat(n.name)
	if err != nil {
		c.differ(path, "is missing")
		return inodeKey{}, false
	}
	return inodeKey{st.Dev, st.Ino}, true
}
