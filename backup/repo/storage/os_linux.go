//go:build linux && !portable

package storage

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// descriptor is that of a folder, and of the working one for nil.
func descriptor(folder *os.File) int {
	if folder == nil {
		return unix.AT_FDCWD
	}
	return int(folder.Fd())
}

func isNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) }

// openRegularAt opens a regular file for reading and tells its size; a nil folder is the working one.
func openRegularAt(folder *os.File, name string) (*os.File, int64, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	var fd int
	err := retryEINTR(func() (err error) {
		fd, err = unix.Openat(descriptor(folder), name, flags, 0)
		return err
	})
	if err != nil {
		return nil, 0, &os.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, 0, errors.Join(&os.PathError{Op: "stat", Path: name, Err: err}, f.Close())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, 0, errors.Join(fmt.Errorf("open %s: not a regular file", name), f.Close())
	}
	return f, st.Size, nil
}

// statRegular looks at a regular file without opening it; a nil folder is the working one.
func statRegular(folder *os.File, name string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(descriptor(folder), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Info{}, absent(&os.PathError{Op: "stat", Path: name, Err: err})
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Info{}, fmt.Errorf("stat %s: not a regular file", name)
	}
	return Info{Size: st.Size, Time: time.Unix(st.Mtim.Unix())}, nil
}

func createAt(dir *os.File, name string) (*os.File, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	var fd int
	err := retryEINTR(func() (err error) {
		fd, err = unix.Openat(int(dir.Fd()), name, flags, filePerm)
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func removeAt(dir *os.File, name string) error {
	if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

// renameNew renames unless the target exists: then it returns an error that
// os.IsExist recognizes.
func renameNew(dir *os.File, from, to string) error {
	fd := int(dir.Fd())
	if err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func renameOver(dir *os.File, from, to string) error {
	fd := int(dir.Fd())
	if err := unix.Renameat(fd, from, fd, to); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func linkAt(dir *os.File, from, to string) error {
	fd := int(dir.Fd())
	if err := unix.Linkat(fd, from, fd, to, 0); err != nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: err}
	}
	return nil
}

// cannotLink tells that the file system has no hard links, or no more of them.
func cannotLink(err error) bool {
	return cannotRenameNew(err) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EXDEV)
}

// cannotRenameNew tells that the file system does not know RENAME_NOREPLACE.
func cannotRenameNew(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP)
}

// hintedSize is from where the hint is worth its system call: of smaller files tens of
// thousands are hundreds of megabytes.
const hintedSize = 64 << 10

// settle is the last word on a file that is written: Sync makes it durable.
func settle(f *os.File, off, n int64) error {
	if n >= hintedSize {
		startWriteback(f, off, n)
	}
	return nil
}

// startWriteback asks for the range to be written soon, so that the syncfs of
// Sync finds little left to do. It is a hint: errors come out there.
func startWriteback(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// syncFileSystem makes everything durable on the file system that holds dir.
func syncFileSystem(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync file system of %s: %w", dir.Name(), err)
	}
	return nil
}

func retryEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// syncFileAt makes a file's content durable.
func syncFileAt(dir *os.File, name string) error {
	f, _, err := openRegularAt(dir, name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// touchNow sets a file's times by the clock of its file system.
func touchNow(f *os.File) error {
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	return unix.UtimesNanoAt(int(f.Fd()), "", []unix.Timespec{now, now}, unix.AT_EMPTY_PATH)
}
