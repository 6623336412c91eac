//go:build linux

package hostfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// subvolumeInode is that of the root of every subvolume.
const subvolumeInode = 256

// SubvolumeOf finds the subvolume that the folder at path, absolute and without symlinks, lies in. The error is
// ErrNoSubvolume on another file system, and where the root of the subvolume is not mounted.
func SubvolumeOf(path string) (Subvolume, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Subvolume{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	if uint32(fs.Type) != unix.BTRFS_SUPER_MAGIC {
		return Subvolume{}, ErrNoSubvolume
	}
	st, err := LstatPath(path)
	if err != nil {
		return Subvolume{}, err
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		if st.Ino == subvolumeInode {
			rel, err := filepath.Rel(dir, path)
			if rel == "." {
				rel = ""
			}
			return Subvolume{Path: dir, Rel: rel}, err
		}
		above, err := LstatPath(filepath.Dir(dir))
		if err != nil {
			return Subvolume{}, err
		}
		if dir == "/" || st.onOtherMount(&above) {
			return Subvolume{}, fmt.Errorf("%w: only a folder of it is mounted on %s", ErrNoSubvolume, dir)
		}
		st = above
	}
}

// FSID identifies the file system that path lies on, on btrfs the subvolume: it is the same whenever that is mounted.
func FSID(path string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return "", &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return fmt.Sprintf("%08x%08x", uint32(fs.Fsid.Val[0]), uint32(fs.Fsid.Val[1])), nil
}

// Place is where a snapshot of the subvolume can be made: outside of it if possible, so that nobody who works in it sees it
// come and go, else in its root.
func (s Subvolume) Place() string {
	above := filepath.Dir(s.Path)
	in, err := LstatPath(s.Path)
	if err != nil || s.Rel != "" {
		return s.Path
	}
	out, err := LstatPath(above)
	var fs unix.Statfs_t
	if err != nil || in.onOtherMount(&out) || unix.Statfs(above, &fs) != nil || uint32(fs.Type) != unix.BTRFS_SUPER_MAGIC {
		return s.Path
	}
	return above
}

// Snapshot makes a read-only snapshot of the subvolume as the folder path, which is in Place. What was written before is in it,
// dirty pages too. The caller removes it with RemoveSnapshot.
func (s Subvolume) Snapshot(path string) error {
	source, err := openat(unix.AT_FDCWD, s.Path, openDirFlags)
	if err != nil {
		return &os.PathError{Op: "open", Path: s.Path, Err: err}
	}
	defer unix.Close(source)
	args := snapshotArgs{fd: int64(source), flags: snapshotReadOnly}
	if copy(args.name[:len(args.name)-1], filepath.Base(path)) < len(filepath.Base(path)) {
		return &os.PathError{Op: "make snapshot", Path: path, Err: unix.ENAMETOOLONG}
	}
	return btrfsIoctl("make snapshot", path, ioctlSnapshot, unsafe.Pointer(&args))
}

// RemoveSnapshot removes a snapshot, or another subvolume without any in it. One that is gone is no error. The names
// of the folder it was in are as they were before, and so is its mtime.
func RemoveSnapshot(path string) error {
	st, err := LstatPath(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Ino != subvolumeInode {
		return fmt.Errorf("remove snapshot %s: %w", path, ErrNoSubvolume)
	}
	var args removeArgs
	if copy(args.name[:len(args.name)-1], filepath.Base(path)) < len(filepath.Base(path)) {
		return &os.PathError{Op: "remove snapshot", Path: path, Err: unix.ENAMETOOLONG}
	}
	return btrfsIoctl("remove snapshot", path, ioctlRemove, unsafe.Pointer(&args))
}

// btrfsIoctl does something to a name in a folder, whose mtime it keeps: what is made and removed here is gone soon.
func btrfsIoctl(what, path string, request uintptr, args unsafe.Pointer) error {
	dir, err := openat(unix.AT_FDCWD, filepath.Dir(path), openDirFlags)
	if err != nil {
		return &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	defer unix.Close(dir)
	before, err := StatFd(dir)
	if err != nil {
		return &os.PathError{Op: "stat", Path: filepath.Dir(path), Err: err}
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(dir), request, uintptr(args)); errno != 0 {
		return &os.PathError{Op: what, Path: path, Err: errno}
	}
	return futimens(dir, before.Mtime)
}

// From linux/btrfs.h: the arguments are 4 KiB each.
const (
	ioctlSnapshot    = 1<<30 | 4096<<16 | 0x94<<8 | 23 // BTRFS_IOC_SNAP_CREATE_V2
	ioctlRemove      = 1<<30 | 4096<<16 | 0x94<<8 | 15 // BTRFS_IOC_SNAP_DESTROY
	snapshotReadOnly = 1 << 1
)

type snapshotArgs struct {
	fd, transid int64
	flags       uint64
	unused      [4]uint64
	name        [4040]byte
}

type removeArgs struct {
	fd   int64
	name [4088]byte
}
