//go:build linux

package hostfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// errMounted means that something is mounted in the target, which is not to be emptied.
var errMounted = errors.New("something is mounted there")

// deleteOthers removes from a folder of the target what the source's does not have.
func (c *copier) deleteOthers(to *Dir, p *parcel) error {
	names, err := to.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, wanted := p.names[n]; wanted {
			continue
		}
		st, err := to.Stat(n)
		if err != nil {
			return err
		}
		if c.o.Skip != nil && c.o.Skip(p.dir, n, &st) {
			continue
		}
		if err := c.remove(to, p.dir, n); err != nil {
			return err
		}
	}
	return nil
}

// names lists a folder, in no order.
func (d *Dir) names() ([]string, error) {
	fd, err := openPieceNoatime(d.fd, ".")
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	file := os.NewFile(uintptr(fd), ".")
	defer file.Close()
	names, err := file.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list folder: %w", err)
	}
	return names, nil
}

// remove removes a name of the target, with what is below it. What is not there is removed.
func (c *copier) remove(d *Dir, dir, name string) error {
	err := c.unlocked(d, name, func() error { return unix.Unlinkat(d.fd, name, 0) })
	switch {
	case err == nil:
		c.counts.Deleted.Add(1)
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != unix.EISDIR && err != unix.EPERM: // POSIX says EPERM for folders
		return fmt.Errorf("remove %q: %w", join(dir, name), err)
	}
	return c.removeFolder(d, dir, name)
}

func (c *copier) removeFolder(d *Dir, dir, name string) error {
	fd, err := openPieceNoatime(d.fd, name)
	if err != nil {
		return fmt.Errorf("remove %q: %w", join(dir, name), err)
	}
	sub := &Dir{fd: fd, proc: d.proc}
	defer sub.Close()
	above, err := StatFd(d.fd)
	if err != nil {
		return err
	}
	st, err := StatFd(fd)
	if err != nil {
		return err
	}
	if st.onOtherMount(&above) {
		return fmt.Errorf("remove %q: %w", join(dir, name), errMounted)
	}
	names, err := sub.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := c.remove(sub, join(dir, name), n); err != nil {
			return err
		}
	}
	err = c.unlocked(d, name, func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) })
	if err != nil {
		return fmt.Errorf("remove %q: %w", join(dir, name), err)
	}
	c.counts.Deleted.Add(1)
	return nil
}
