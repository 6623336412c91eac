//go:build linux

package hostfs

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// onOtherMount says whether s is mounted on its parent folder.
func (s *Stat) onOtherMount(parent *Stat) bool { return !s.mount().same(parent.mount()) }

// statxMask asks for what Stat holds. The kernel's cached attributes are not asked for with AT_STATX_DONT_SYNC: on a
// local file system it changes nothing, on a network one it would give stale sizes and times.
const (
	statxMask  = unix.STATX_BASIC_STATS | unix.STATX_MNT_ID
	statxFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	shownFlags = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND | unix.STATX_ATTR_NODUMP
)

// statxAt reads the inode behind a NUL-terminated name relative to fd; the empty name is fd itself. buf is scratch, so
// that a walk does not clear 256 bytes per file. It allocates nothing.
func statxAt(fd int, name *byte, buf *unix.Statx_t, st *Stat) error {
	flags := statxFlags
	if *name == 0 {
		flags |= unix.AT_EMPTY_PATH
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(name)), uintptr(flags),
			uintptr(statxMask), uintptr(unsafe.Pointer(buf)), 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		break
	}
	*st = Stat{
		Dev: unix.Mkdev(buf.Dev_major, buf.Dev_minor), Ino: buf.Ino,
		Size: int64(buf.Size), Blocks: int64(buf.Blocks),
		Mtime: fromStatxTime(buf.Mtime), Ctime: fromStatxTime(buf.Ctime),
		Mode: uint32(buf.Mode), Nlink: buf.Nlink, UID: buf.Uid, GID: buf.Gid,
		Chattr: uint32(buf.Attributes & buf.Attributes_mask & shownFlags),
	}
	if buf.Rdev_major|buf.Rdev_minor != 0 {
		st.Rdev = unix.Mkdev(buf.Rdev_major, buf.Rdev_minor)
	}
	if buf.Mask&unix.STATX_MNT_ID != 0 {
		st.MountID = buf.Mnt_id
	}
	return nil
}

// StatFd reads the inode behind an open descriptor.
func StatFd(fd int) (Stat, error) {
	var buf unix.Statx_t
	var st Stat
	var empty byte
	err := statxAt(fd, &empty, &buf, &st)
	return st, err
}

func fromStatxTime(t unix.StatxTimestamp) Timespec {
	return Timespec{Sec: t.Sec, Nsec: t.Nsec}
}
