//go:build linux

package hostfs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Xattrs reads all extended attributes of name (of the folder itself for ""), sorted by name. Nothing is followed or
// opened, so it serves symlinks, fifos, devices and sockets. Without CAP_SYS_ADMIN the kernel does not show trusted.*.
func (d *Dir) Xattrs(name string) ([]Xattr, error) {
	if name == "" {
		return FdXattrs(d.fd)
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	return readXattrs(xattrsOfPath(procPath(d.fd, name)))
}

// FdXattrs reads all extended attributes of an open file or folder, sorted by name. It costs one system call when there
// are none.
func FdXattrs(fd int) ([]Xattr, error) {
	return readXattrs(xattrsOfFd(fd))
}

// xattrAccess is how the extended attributes of one object are reached: by descriptor or by path.
type xattrAccess struct {
	list   func(buf []byte) (int, error)
	get    func(name string, buf []byte) (int, error)
	set    func(name string, value []byte) error
	remove func(name string) error
}

func xattrsOfFd(fd int) xattrAccess {
	return xattrAccess{
		list:   func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) },
		get:    func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) },
		set:    func(name string, value []byte) error { return unix.Fsetxattr(fd, name, value, 0) },
		remove: func(name string) error { return unix.Fremovexattr(fd, name) },
	}
}

// xattrsOfPath does not follow a symlink that path ends in.
func xattrsOfPath(path string) xattrAccess {
	return xattrAccess{
		list:   func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) },
		get:    func(name string, buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) },
		set:    func(name string, value []byte) error { return unix.Lsetxattr(path, name, value, 0) },
		remove: func(name string) error { return unix.Lremovexattr(path, name) },
	}
}

func readXattrs(x xattrAccess) ([]Xattr, error) {
	names, err := listXattrs(x)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	all := make([]Xattr, 0, len(names))
	for _, name := range names {
		value, err := grow(256, func(buf []byte) (int, error) { return x.get(name, buf) })
		if err == unix.ENODATA { // removed since it was listed
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read xattr %s: %w", name, err)
		}
		all = append(all, Xattr{Name: name, Value: value})
	}
	return all, nil
}

// listXattrs returns the names, sorted; none where the file system has no extended attributes. XFS shows root each ACL a
// second time in its own encoding: that is left out, or it would be set as plain attributes elsewhere.
func listXattrs(x xattrAccess) ([]string, error) {
	raw, err := grow(0, x.list)
	if err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list xattrs: %w", err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	names := strings.Split(string(bytes.TrimSuffix(raw, []byte{0})), "\x00")
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "trusted.SGI_ACL_") })
	slices.Sort(names)
	return names, nil
}

// grow calls read with larger buffers until the answer fits. A size of 0 asks for the length first.
func grow(size int, read func([]byte) (int, error)) ([]byte, error) {
	for {
		var buf []byte
		if size > 0 {
			buf = make([]byte, size)
		}
		n, err := read(buf)
		switch {
		case err == unix.ERANGE:
			size = max(2*size, 256)
		case err != nil:
			return nil, err
		case size == 0 && n > 0:
			size = n
		default:
			return buf[:n], nil
		}
	}
}
