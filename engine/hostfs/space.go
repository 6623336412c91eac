//go:build linux

package hostfs

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Space says how many bytes and inodes this user can still take on the file system of path. A file system that does not
// count inodes (btrfs) gives the largest number.
func Space(path string) (free, inodes uint64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	unit := fs.Frsize
	if unit == 0 {
		unit = fs.Bsize
	}
	inodes = fs.Ffree
	if fs.Files == 0 {
		inodes = math.MaxUint64
	}
	return fs.Bavail * uint64(unit), inodes, nil
}
