//go:build linux

package diskscan

import (
	"encoding/binary"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

const (
	// fiemapIoctl is FS_IOC_FIEMAP: _IOWR('f', 11, struct fiemap).
	fiemapIoctl        = 0xc020660b
	fiemapExtents      = 64
	fiemapHeader       = 32
	fiemapExtent       = 56
	fiemapMappedAt     = 20 // in the header
	fiemapCountAt      = 24
	fiemapFlagsAt      = 40 // in an extent
	fiemapExtentShared = 0x2000
)

// markShared marks the files of which some blocks belong to other files too. Only the first extents are looked at: it
// is a hint for the reader, for a few files.
func markShared(files []File) {
	for i := range files {
		files[i].Shared = sharesBlocks(files[i].Path)
	}
}

func sharesBlocks(path string) bool {
	root, err := hostfs.OpenRoot(filepath.Dir(path))
	if err != nil {
		return false
	}
	defer root.Close()
	dir, err := root.OpenDir("")
	if err != nil {
		return false
	}
	defer dir.Close()
	fd, _, err := dir.OpenRegular(filepath.Base(path))
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	buf := make([]byte, fiemapHeader+fiemapExtents*fiemapExtent)
	binary.NativeEndian.PutUint64(buf[8:], ^uint64(0)) // the length: all of it
	binary.NativeEndian.PutUint32(buf[fiemapCountAt:], fiemapExtents)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), fiemapIoctl, uintptr(unsafe.Pointer(&buf[0]))); errno != 0 {
		return false
	}
	for i := range binary.NativeEndian.Uint32(buf[fiemapMappedAt:]) {
		at := fiemapHeader + int(i)*fiemapExtent + fiemapFlagsAt
		if binary.NativeEndian.Uint32(buf[at:])&fiemapExtentShared != 0 {
			return true
		}
	}
	return false
}
