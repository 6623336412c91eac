//go:build linux

package hostfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Like gives the file owner, mode, ACL and extended attributes (a security label among
// them) of the regular file at path, usually the one that Commit replaces; a symlink there is followed.
func (a *AtomicFile) Like(path string) error {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	st, err := StatFd(fd)
	if err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if !st.IsRegular() {
		return fmt.Errorf("open %s: %w", path, ErrNotRegular)
	}
	xattrs, err := FdXattrs(fd)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	m := Meta{Mode: st.Mode, UID: st.UID, GID: st.GID, Mtime: st.Mtime, Xattrs: xattrs}
	if err := SetMetaFd(int(a.file.Fd()), &m); err != nil {
		return fmt.Errorf("make a file like %s: %w", path, err)
	}
	return nil
}
