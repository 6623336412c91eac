//go:build linux

package hostfs

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Meta is the metadata that is written to a file. The type bits of Mode are ignored. Xattrs include the raw ACLs
// (XattrACLAccess, XattrACLDefault).
type Meta struct {
	Mode, UID, GID uint32
	Mtime          Timespec
	Xattrs         []Xattr
}

// MetaError says which piece of metadata could not be written.
type MetaError struct {
	Op    string // "chown", "set xattr", "remove xattr", "list xattrs", "chmod", "set times"
	Xattr string // the attribute's name, if Op is about one
	Err   error
}

func (e *MetaError) Error() string {
	if e.Xattr != "" {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Xattr, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Op, e.Err)
}

// Unwrap returns the errno.
func (e *MetaError) Unwrap() error { return e.Err }

// SetMetaFd writes the metadata of an open file or folder: owner, xattrs, mode, times, in this order, because each may
// undo one after it. It goes on after an error; the result joins one *MetaError per piece that could not be written. When
// the owner cannot be set, setuid and setgid are left out of the mode. Attributes of user.* and trusted.* and ACLs that
// the target has and m has not are removed: a folder's default ACL is inherited by what is created in it.
func SetMetaFd(fd int, m *Meta) error {
	return setMeta(m, metaTarget{
		chown:  func() error { return unix.Fchown(fd, int(m.UID), int(m.GID)) },
		xattrs: xattrsOfFd(fd),
		chmod:  func(mode uint32) error { return unix.Fchmod(fd, mode) },
		times:  func() error { return futimens(fd, m.Mtime) },
	})
}

// SetMeta is SetMetaFd for name, which is neither followed nor opened: symlinks, fifos, devices, sockets. A symlink has no
// mode and, on Linux, no user.* attributes.
func (d *Dir) SetMeta(name string, m *Meta) error {
	if err := checkName(name); err != nil {
		return err
	}
	fd, err := openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open %q: %w", name, err)
	}
	defer unix.Close(fd)
	st, err := StatFd(fd)
	if err != nil {
		return fmt.Errorf("stat %q: %w", name, err)
	}
	t := metaTarget{
		chown:  func() error { return unix.Fchownat(fd, "", int(m.UID), int(m.GID), unix.AT_EMPTY_PATH) },
		xattrs: xattrsOfPath(procPath(d.fd, name)),
		times: func() error {
			return unix.UtimesNanoAt(d.fd, name, mtimeOnly(m.Mtime), unix.AT_SYMLINK_NOFOLLOW)
		},
	}
	if !st.IsSymlink() {
		t.chmod = func(mode uint32) error { return unix.Chmod(procPath(fd, ""), mode) }
	}
	return setMeta(m, t)
}

// metaTarget is how the metadata of one object is written. chmod is nil for a symlink, and where
// the mode is right already.
type metaTarget struct {
	chown  func() error
	xattrs xattrAccess
	plain  bool // there are no attributes yet
	chmod  func(mode uint32) error
	times  func() error
}

func setMeta(m *Meta, t metaTarget) error {
	mode := m.Mode & 0o7777
	var errs []error
	note := func(op, xattr string, err error) {
		if err != nil {
			errs = append(errs, &MetaError{Op: op, Xattr: xattr, Err: err})
		}
	}
	if err := t.chown(); err != nil {
		note("chown", "", err)
		mode &^= unix.S_ISUID | unix.S_ISGID
	}
	if !t.plain {
		removeUnwanted(m, t.xattrs, note)
	}
	for _, x := range m.Xattrs {
		note("set xattr", x.Name, t.xattrs.set(x.Name, x.Value))
	}
	if t.chmod != nil {
		note("chmod", "", t.chmod(mode))
	}
	note("set times", "", t.times())
	return errors.Join(errs...)
}

func removeUnwanted(m *Meta, x xattrAccess, note func(op, xattr string, err error)) {
	present, err := listXattrs(x)
	note("list xattrs", "", err)
	for _, name := range present {
		if !removable(name) || m.has(name) {
			continue
		}
		if err := x.remove(name); err != unix.ENODATA {
			note("remove xattr", name, err)
		}
	}
}

// removable leaves out what the kernel or a security module puts on files by itself.
func removable(name string) bool {
	return name == XattrACLAccess || name == XattrACLDefault ||
		strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "trusted.")
}

func (m *Meta) has(name string) bool {
	for i := range m.Xattrs {
		if m.Xattrs[i].Name == name {
			return true
		}
	}
	return false
}

func mtimeOnly(t Timespec) []unix.Timespec {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {}}
	setNumber(&times[1].Sec, t.Sec)
	setNumber(&times[1].Nsec, int64(t.Nsec))
	return times
}

// setNumber sets a number of the kernel's, which has 32 bits on 32-bit machines: these end in 2038.
func setNumber[T int32 | int64](to *T, value int64) { *to = T(value) }

// futimens sets the modification time of an open file and leaves the access time.
func futimens(fd int, mtime Timespec) error {
	times := mtimeOnly(mtime)
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
