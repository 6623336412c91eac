//go:build linux

package hostfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The flags that chattr sets, which stat does not show.
const (
	lockFlags = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND // the same bits as FS_IMMUTABLE_FL and FS_APPEND_FL
	flagSync  = 0x8                                                // FS_SYNC_FL
	flagDump  = 0x40                                               // FS_NODUMP_FL
	flagAtime = 0x80                                               // FS_NOATIME_FL
	flagDirS  = 0x10000                                            // FS_DIRSYNC_FL
	flagTop   = 0x20000                                            // FS_TOPDIR_FL
	keptFlags = lockFlags | flagSync | flagDump | flagAtime | flagDirS | flagTop
)

func getFlags(fd int) (int, error) {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	return int(flags), err
}

func setFlags(fd, flags int) error { return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags) }

// copyFlags gives out the flags of in that mean something on every file system. They come last: they may forbid the rest.
func copyFlags(in, out int) error {
	flags, err := getFlags(in)
	if err != nil || flags&keptFlags == 0 { // no flags on this file system
		return nil
	}
	now, err := getFlags(out)
	if err == nil {
		err = setFlags(out, now|flags&keptFlags)
	}
	if err != nil {
		return &MetaError{Op: fmt.Sprintf("set flags %#x", flags&keptFlags), Err: err}
	}
	return nil
}

// unlocked changes a name in a folder of the target. When that is forbidden, the flags with which a pass
// before may have locked the folder, or what has the name, are taken off first; the pass puts them back on at its end.
func (c *copier) unlocked(d *Dir, name string, do func() error) error {
	err := do()
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	changed := unlock(d.fd)
	if name != "" {
		flags, _ := takeFlags(d, name)
		changed = changed || flags != 0
	}
	if !changed {
		return err
	}
	return do()
}

// unlock takes the locks off an open file or folder, and tells whether there were any.
func unlock(fd int) bool {
	flags, err := getFlags(fd)
	return err == nil && flags&lockFlags != 0 && setFlags(fd, flags&^lockFlags) == nil
}

// takeFlags takes the locks off a name, if it is a file or folder, and returns which there were.
func takeFlags(d *Dir, name string) (int, error) {
	fd, err := d.openForFlags(name)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	flags, err := getFlags(fd)
	if err != nil || flags&lockFlags == 0 {
		return 0, err
	}
	return flags & lockFlags, setFlags(fd, flags&^lockFlags)
}

// giveFlags puts locks back on.
func giveFlags(d *Dir, name string, locks int) error {
	if locks == 0 {
		return nil
	}
	fd, err := d.openForFlags(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	flags, err := getFlags(fd)
	if err == nil {
		err = setFlags(fd, flags|locks)
	}
	if err != nil {
		return &MetaError{Op: fmt.Sprintf("set flags %#x", locks), Err: err}
	}
	return nil
}

// openForFlags opens a regular file or a folder, and nothing else.
func (d *Dir) openForFlags(name string) (int, error) {
	st, err := d.Stat(name)
	if err != nil {
		return -1, err
	}
	if st.IsDir() {
		return openPieceNoatime(d.fd, name)
	}
	fd, _, err := d.OpenRegular(name)
	return fd, err
}
