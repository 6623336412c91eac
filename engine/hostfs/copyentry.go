//go:build linux

package hostfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// parcel copies some entries of a folder, and with the last of them deletes what the folder no longer has.
func (c *copier) parcel(ctx context.Context, p *parcel) error {
	from, err := c.src.OpenDir(p.dir)
	if err != nil {
		return c.trouble(p.dir, reading(err))
	}
	defer from.Close()
	to, err := c.openMade(p.dir)
	if err != nil {
		return err
	}
	defer to.Close()
	fresh := c.fresh(p.dir, p.ino)
	for i := range p.entries {
		e := &p.entries[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.trouble(e.Path(), c.entry(ctx, from, to, e, fresh)); err != nil {
			return err
		}
	}
	if p.last && c.o.Delete {
		return c.deleteOthers(to, p)
	}
	return nil
}

// entry copies one entry unless its copy is good; of a folder it only makes sure that it is there.
func (c *copier) entry(ctx context.Context, from, to *Dir, e *Entry, fresh bool) error {
	if e.IsDir() {
		return c.makeFolder(to, e.Dir, e.Name)
	}
	if c.o.Before != nil {
		is, err := to.Stat(e.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !fresh && c.unchanged(&e.Stat, &is):
			return nil
		default:
			if err := c.remove(to, e.Dir, e.Name); err != nil {
				return err
			}
		}
	}
	err := c.make(ctx, from, to, e)
	if errors.Is(err, fs.ErrExist) { // a first pass expects nothing there
		if err = c.remove(to, e.Dir, e.Name); err == nil {
			err = c.make(ctx, from, to, e)
		}
	}
	if err == nil || onlyMeta(err) {
		c.counts.Copied.Add(1)
	}
	return err
}

// make makes one entry that is not there, and is no folder.
func (c *copier) make(ctx context.Context, from, to *Dir, e *Entry) error {
	if e.IsRegular() {
		return c.file(ctx, from, to, e.Name)
	}
	xattrs, err := from.Xattrs(e.Name)
	if err != nil {
		return reading(err)
	}
	if e.IsSymlink() {
		target, err := from.Readlink(e.Name)
		if err != nil {
			return reading(err)
		}
		err = c.unlocked(to, "", func() error { return to.Symlink(target, e.Name) })
		if err != nil {
			return err
		}
	} else if err := c.unlocked(to, "", func() error { return to.Mknod(e.Name, e.Mode, e.Rdev) }); err != nil {
		return err
	}
	return to.SetMeta(e.Name, metaOf(&e.Stat, xattrs))
}

func metaOf(st *Stat, xattrs []Xattr) *Meta {
	return &Meta{Mode: st.Mode, UID: st.UID, GID: st.GID, Mtime: st.Mtime, Xattrs: xattrs}
}

// file copies a regular file.
func (c *copier) file(ctx context.Context, from, to *Dir, name string) error {
	in, st, err := from.OpenRegular(name)
	if errors.Is(err, ErrNotRegular) { // it is another file now; the next pass sees it
		return nil
	}
	if err != nil {
		return reading(err)
	}
	defer unix.Close(in)
	xattrs, err := FdXattrs(in)
	if err != nil {
		return reading(err)
	}
	out := -1
	if err := c.unlocked(to, "", func() error { out, err = to.CreateFile(name); return err }); err != nil {
		return err
	}
	if err := c.data(ctx, in, out, &st); err != nil {
		unix.Close(out)
		return err
	}
	err = SetMetaFd(out, metaOf(&st, xattrs))
	if err == nil || onlyMeta(err) {
		err = errors.Join(err, copyFlags(in, out))
	}
	if e := unix.Close(out); e != nil { // network file systems tell of full disks only here
		err = errors.Join(err, fmt.Errorf("close: %w", e))
	}
	return err
}
