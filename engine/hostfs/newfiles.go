//go:build linux

package hostfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// NewFiles is what this process creates below a folder looks like before anything is set: it saves three of seven
// system calls for most files of a restore.
type NewFiles struct {
	uid, gid uint32
	umask    uint32
	// plain: nothing else is inherited, neither an ACL nor a group. What is created in a folder with the set-group-ID
	// bit, or on a file system with the mount option grpid, has the folder's group.
	plain bool
}

// PrivateMode is the mode of what CreateFile makes.
const PrivateMode = 0o600

// NewFiles looks at the folder. It holds for folders below that this process makes itself and that have no metadata yet.
func (r *Root) NewFiles() (NewFiles, error) {
	st, err := r.Stat()
	if err != nil {
		return NewFiles{}, err
	}
	xattrs, err := FdXattrs(r.fd)
	if err != nil {
		return NewFiles{}, err
	}
	n := NewFiles{uid: uint32(unix.Geteuid()), gid: uint32(unix.Getegid()), umask: umask()}
	inherited := (&Meta{Xattrs: xattrs}).has(XattrACLDefault)
	n.plain = !inherited && st.Mode&unix.S_ISGID == 0 && st.GID == n.gid
	return n, nil
}

// umask asks for the mask without changing it, which would change it for all threads. One that is not known takes
// everything off.
func umask() uint32 {
	const unknown = 0o777
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return unknown
	}
	_, rest, _ := bytes.Cut(status, []byte("\nUmask:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	mask, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 8, 32)
	if err != nil {
		return unknown
	}
	return uint32(mask)
}

// Mode is the mode to create a file with that gets this metadata: the final one if nothing that follows changes it or
// should come first, as the owner should.
func (n NewFiles) Mode(m *Meta) uint32 {
	mode := m.Mode & 0o7777
	if !n.plain || m.UID != n.uid || m.GID != n.gid || len(m.Xattrs) > 0 || mode&^0o777 != 0 || mode&n.umask != 0 {
		return PrivateMode
	}
	return mode
}

// SetMeta is SetMetaFd for a file that was just created with a mode. There are no attributes to remove then, and what
// is right already is not set.
func (n NewFiles) SetMeta(fd int, m *Meta, created uint32) error {
	if !n.plain {
		return SetMetaFd(fd, m)
	}
	t := metaTarget{
		chown:  func() error { return nil },
		xattrs: xattrsOfFd(fd),
		plain:  true,
		times:  func() error { return futimens(fd, m.Mtime) },
	}
	if m.UID != n.uid || m.GID != n.gid {
		t.chown = func() error { return unix.Fchown(fd, int(m.UID), int(m.GID)) }
	}
	if m.Mode&0o7777 != created || created&n.umask != 0 || len(m.Xattrs) > 0 {
		t.chmod = func(mode uint32) error { return unix.Fchmod(fd, mode) }
	}
	return setMeta(m, t)
}

// CreateNew is CreateFile with a mode, of which the umask takes its part.
func (d *Dir) CreateNew(name string, mode uint32) (fd int, err error) {
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if err := checkName(name); err != nil {
		return -1, fmt.Errorf("create %w", err)
	}
	if fd, err = unix.Openat(d.fd, name, flags, mode); err != nil {
		return -1, fmt.Errorf("create %q: %w", name, err)
	}
	return fd, nil
}
