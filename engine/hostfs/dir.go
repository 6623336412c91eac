//go:build linux

package hostfs

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// Dir is an open folder. Names given to its methods are single components; the last one is never followed.
type Dir struct {
	fd   int
	proc int // the Root's
}

// FD is the open descriptor; it belongs to the Dir.
func (d *Dir) FD() int { return d.fd }

// Close closes the folder.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Stat reads the inode of name, or of the folder itself for "".
func (d *Dir) Stat(name string) (Stat, error) {
	if name == "" {
		return StatFd(d.fd)
	}
	if err := checkName(name); err != nil {
		return Stat{}, err
	}
	raw, err := unix.BytePtrFromString(name)
	if err != nil {
		return Stat{}, err
	}
	var buf unix.Statx_t
	var st Stat
	if err := statxAt(d.fd, raw, &buf, &st); err != nil {
		return st, fmt.Errorf("stat %q: %w", name, err)
	}
	return st, nil
}

// OpenRegular opens a regular file for reading, from its start, without touching its access time where the kernel lets
// us, and returns what fstat says of it. It never blocks on a fifo, follows no link and opens no device, even when the
// name is swapped meanwhile. The caller closes fd with unix.Close.
func (d *Dir) OpenRegular(name string) (fd int, st Stat, err error) {
	if err := checkName(name); err != nil {
		return -1, st, err
	}
	// Opening a device can do harm by itself (a watchdog, a tape), so the inode is looked at before it is opened.
	path, err := openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return -1, st, fmt.Errorf("open %q: %w", name, err)
	}
	st, err = StatFd(path)
	switch {
	case err != nil:
	case !st.IsRegular():
		err = ErrNotRegular
	default:
		fd, err = d.reopen(path)
	}
	unix.Close(path)
	if err != nil {
		return -1, st, fmt.Errorf("open %q: %w", name, err)
	}
	return fd, st, nil
}

// reopen opens for reading what an O_PATH descriptor of a regular file refers to.
func (d *Dir) reopen(path int) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC
	name := strconv.Itoa(path)
	fd, err := openat(d.proc, name, flags|unix.O_NOATIME)
	if err == unix.EPERM {
		return openat(d.proc, name, flags)
	}
	return fd, err
}

// procPath is a path of the object behind fd, or of name in the folder behind fd, that the path-only system calls take
// whatever the depth.
func procPath(fd int, name string) string {
	if name == "" {
		return "/proc/self/fd/" + strconv.Itoa(fd)
	}
	return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name
}

// Readlink reads the target of a symbolic link.
func (d *Dir) Readlink(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(d.fd, name, buf)
		if err != nil {
			return "", fmt.Errorf("read link %q: %w", name, err)
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}
