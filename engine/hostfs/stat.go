package hostfs

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Stat is what statx says of one inode.
type Stat struct {
	Dev, Ino     uint64
	Rdev         uint64 // of a device; unix.Major and unix.Minor take it apart
	MountID      uint64 // 0 on kernels before 5.8
	Size         int64
	Blocks       int64 // allocated, in units of 512 bytes
	Mtime, Ctime Timespec
	Mode         uint32 // st_mode, type bits (unix.S_IFMT) included
	Nlink        uint32
	UID, GID     uint32
}

// IsDir says whether it is a folder.
func (s *Stat) IsDir() bool { return s.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsRegular says whether it is a regular file.
func (s *Stat) IsRegular() bool { return s.Mode&unix.S_IFMT == unix.S_IFREG }

// IsSymlink says whether it is a symbolic link.
func (s *Stat) IsSymlink() bool { return s.Mode&unix.S_IFMT == unix.S_IFLNK }

// mountOf tells a mount; kernels before 5.8 only tell the device.
type mountOf struct{ id, dev uint64 }

func (s *Stat) mount() mountOf { return mountOf{s.MountID, s.Dev} }

// same says whether two are one mount. A btrfs subvolume has a device of its own but is no mount.
func (m mountOf) same(n mountOf) bool {
	if m.id == 0 || n.id == 0 {
		return m.dev == n.dev
	}
	return m.id == n.id
}

// onOtherMount says whether s is mounted on its parent folder.
func (s *Stat) onOtherMount(parent *Stat) bool { return !s.mount().same(parent.mount()) }

// statxMask asks for what Stat holds. The kernel's cached attributes are not asked for with AT_STATX_DONT_SYNC: on a
// local file system it changes nothing, on a network one it would give stale sizes and times.
const (
	statxMask  = unix.STATX_BASIC_STATS | unix.STATX_MNT_ID
	statxFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
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
