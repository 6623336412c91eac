//go:build linux

package hostfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Mkdir makes a folder that only its owner may enter; SetMetaFd or SetMeta gives it its mode.
func (d *Dir) Mkdir(name string) error {
	return d.make("make folder", name, func() error { return unix.Mkdirat(d.fd, name, 0o700) })
}

// Symlink makes a symbolic link with any target but the empty one.
func (d *Dir) Symlink(target, name string) error {
	return d.make("make symlink", name, func() error { return unix.Symlinkat(target, d.fd, name) })
}

// Mknod makes a fifo, device, socket or empty file: what mode's type bits say. The permissions are 0600 until SetMeta.
func (d *Dir) Mknod(name string, mode uint32, rdev uint64) error {
	return d.make("make node", name, func() error {
		return unix.Mknodat(d.fd, name, mode&unix.S_IFMT|0o600, int(rdev))
	})
}

// Link makes name another name of oldname in oldDir, which is not followed if it is a symlink.
func (d *Dir) Link(oldDir *Dir, oldname, name string) error {
	if err := checkName(oldname); err != nil {
		return fmt.Errorf("link to %w", err)
	}
	return d.make("link", name, func() error { return unix.Linkat(oldDir.fd, oldname, d.fd, name, 0) })
}

// CreateFile makes a new file, mode 0600, open for reading and writing. Whatever is there already, a dangling symlink
// too, is an error that errors.Is takes for fs.ErrExist. The caller closes fd with unix.Close.
func (d *Dir) CreateFile(name string) (fd int, err error) { return d.CreateNew(name, PrivateMode) }

func (d *Dir) make(what, name string, do func() error) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("%s %w", what, err)
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %q: %w", what, name, err)
	}
	return nil
}
