package hostfs

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// VolumeOf asks for the room on the file system of path.
func VolumeOf(path string) (Volume, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Volume{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	unit := uint64(fs.Frsize)
	if unit == 0 {
		unit = uint64(fs.Bsize)
	}
	v := Volume{Total: fs.Blocks * unit, Free: fs.Bavail * unit, Inodes: fs.Files, FreeInodes: fs.Ffree}
	if v.Inodes == 0 {
		v.FreeInodes = math.MaxUint64
	}
	return v, nil
}
