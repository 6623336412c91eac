//go:build linux

package hostfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// zfsMagic and bcachefsMagic are not among the kernel's own constants.
const (
	zfsMagic      = 0x2fc12fc1
	bcachefsMagic = 0xca451a4e
	jfsMagic      = 0x3153464a
)

// FSType names the file system of the root. trusted says that its inode, size and times can be believed to change
// whenever a file's content changed and Syncfs ran before: true for local disk file systems, false for everything else
// (tmpfs keeps no write-protected pages, network file systems and FUSE answer from caches, overlay may be volatile).
func (r *Root) FSType() (name string, trusted bool, err error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(r.fd, &fs); err != nil {
		return "", false, fmt.Errorf("statfs %s: %w", r.path, err)
	}
	name, trusted = fsName(uint32(fs.Type))
	return name, trusted, nil
}

func fsName(magic uint32) (name string, trusted bool) {
	switch magic {
	case unix.EXT4_SUPER_MAGIC: // ext2 and ext3 as well
		return "ext4", true
	case unix.XFS_SUPER_MAGIC:
		return "xfs", true
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs", true
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs", true
	case zfsMagic:
		return "zfs", true
	case bcachefsMagic:
		return "bcachefs", true
	case jfsMagic:
		return "jfs", true
	}
	return untrustedName(magic), false
}

func untrustedName(magic uint32) string {
	switch magic {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC:
		return "cifs"
	case unix.CEPH_SUPER_MAGIC:
		return "ceph"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "afs"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case unix.PROC_SUPER_MAGIC:
		return "proc"
	case unix.SYSFS_MAGIC:
		return "sysfs"
	case unix.MSDOS_SUPER_MAGIC:
		return "vfat"
	}
	return fmt.Sprintf("0x%x", magic)
}
