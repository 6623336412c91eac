package hostfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// VolumeOf asks for the room on the file system of path.
func VolumeOf(path string) (Volume, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Volume{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	unit := uint64(fs.Bsize)
	return Volume{Total: fs.Blocks * unit, Free: fs.Bavail * unit, Inodes: fs.Files, FreeInodes: fs.Ffree}, nil
}
