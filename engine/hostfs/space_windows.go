package hostfs

import (
	"fmt"
	"math"

	"golang.org/x/sys/windows"
)

// VolumeOf asks for the room on the volume of path; Windows counts no inodes.
func VolumeOf(path string) (Volume, error) {
	v := Volume{FreeInodes: math.MaxUint64}
	name, err := windows.UTF16PtrFromString(path)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &v.Free, &v.Total, nil)
	}
	if err != nil {
		return Volume{}, fmt.Errorf("ask for the room in %s: %w", path, err)
	}
	return v, nil
}
