package hostfs

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// LstatPath looks at what is at path; a symlink is not followed.
func LstatPath(path string) (Stat, error) {
	raw, err := unix.BytePtrFromString(path)
	if err != nil {
		return Stat{}, err
	}
	var buf unix.Statx_t
	var st Stat
	if err := statxAt(unix.AT_FDCWD, raw, &buf, &st); err != nil {
		return st, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st, nil
}

// StatPath looks at what path leads to.
func StatPath(path string) (Stat, error) {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return Stat{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return StatFd(fd)
}

// SameFileSystem tells whether two paths are known to lead to one file system.
func SameFileSystem(a, b string) bool {
	x, errA := StatPath(a)
	y, errB := StatPath(b)
	return errA == nil && errB == nil && x.Dev == y.Dev
}

// Birth is the number of an inode and when it was made, which together tell it from any other that had or will have its
// name. A symlink is not followed; a file system that does not know when gives the zero time.
func Birth(path string) (ino uint64, born Timespec, err error) {
	var st unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
	if err != nil {
		return 0, Timespec{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, fromStatxTime(st.Btime), nil
}

// DiskUsage is what a file takes on its disk, in bytes.
func DiskUsage(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// RenameNew gives a file or folder another name in the same file system. Where that name is taken, it is an error that
// errors.Is takes for fs.ErrExist.
func RenameNew(from, to string) error { return rename(from, to, unix.RENAME_NOREPLACE) }

// Exchange swaps two names of the same file system in one step.
func Exchange(a, b string) error { return rename(a, b, unix.RENAME_EXCHANGE) }

func rename(from, to string, flags uint) error {
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags); err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	return nil
}

// Allocate makes an open file size bytes long, all of them taken on the disk. Where the file system cannot promise that,
// nothing happens.
func Allocate(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if err == unix.EOPNOTSUPP {
		return nil
	}
	return err
}
