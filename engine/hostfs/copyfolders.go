//go:build linux

package hostfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
)

// links makes the further names of files, once all first ones are there.
func (c *copier) links(ctx context.Context) error {
	return inParallel(ctx, c.workers, c.feed.again, func(a *again) error {
		return c.trouble(join(a.own.dir, a.own.name), c.link(a))
	})
}

func (c *copier) link(a *again) error {
	to, err := c.openMade(a.own.dir)
	if err != nil {
		return err
	}
	defer to.Close()
	old, err := c.dst.OpenDir(a.first.dir)
	if err != nil {
		return err
	}
	defer old.Close()
	first, err := old.Stat(a.first.name)
	if errors.Is(err, fs.ErrNotExist) { // it vanished before it was copied; the next pass sees to the rest
		return nil
	}
	if err != nil {
		return err
	}
	is, err := to.Stat(a.own.name)
	switch {
	case err == nil && is.Dev == first.Dev && is.Ino == first.Ino:
		return nil
	case err == nil:
		if err := c.remove(to, a.own.dir, a.own.name); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := c.linkUnlocked(old, to, a); err != nil {
		return err
	}
	c.counts.Linked.Add(1)
	return nil
}

// linkUnlocked makes a link, also to a file that may not be changed.
func (c *copier) linkUnlocked(old, to *Dir, a *again) error {
	make := func() error { return to.Link(old, a.first.name, a.own.name) }
	err := make()
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	flags, _ := takeFlags(old, a.first.name)
	err = c.unlocked(to, "", make)
	return errors.Join(err, giveFlags(old, a.first.name, flags))
}

// finishFolders gives folders their metadata, after everything that changes their times.
func (c *copier) finishFolders(ctx context.Context) error {
	return inParallel(ctx, c.workers, c.feed.folders, func(e *Entry) error {
		return c.trouble(e.Path(), c.folder(e))
	})
}

func (c *copier) folder(e *Entry) error {
	path := e.Path()
	to, err := c.openMade(path)
	if err != nil {
		return err
	}
	defer to.Close()
	is, err := StatFd(to.fd)
	if err != nil {
		return err
	}
	if !c.fresh(path, e.Ino) && c.unchanged(&e.Stat, &is) {
		return nil
	}
	from, err := c.src.OpenDir(path)
	if err != nil {
		return reading(err)
	}
	defer from.Close()
	st, err := StatFd(from.fd)
	if err != nil {
		return reading(err)
	}
	xattrs, err := FdXattrs(from.fd)
	if err != nil {
		return reading(err)
	}
	if flags, err := getFlags(to.fd); err == nil && flags&lockFlags != 0 {
		if err := setFlags(to.fd, flags&^lockFlags); err != nil {
			return fmt.Errorf("unlock: %w", err)
		}
	}
	err = SetMetaFd(to.fd, metaOf(&st, xattrs))
	if err == nil || onlyMeta(err) {
		err = errors.Join(err, copyFlags(from.fd, to.fd))
	}
	return err
}

// inParallel calls do for all items, until one returns an error.
func inParallel[T any](ctx context.Context, workers int, items []T, do func(*T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	const chunk = 64
	chunks := make(chan []T)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for some := range chunks {
				for i := range some {
					if ctx.Err() != nil {
						break
					}
					if err := do(&some[i]); err != nil {
						stop(err)
					}
				}
			}
		})
	}
	for len(items) > 0 {
		n := min(chunk, len(items))
		chunks <- items[:n]
		items = items[n:]
	}
	close(chunks)
	group.Wait()
	return context.Cause(ctx)
}
