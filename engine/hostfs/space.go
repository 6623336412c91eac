package hostfs

// Volume is the room on a file system. One that does not count inodes (btrfs) has none of them, and as many free as there
// are numbers.
type Volume struct {
	Total, Free        uint64 // bytes; those that this user can still take
	Inodes, FreeInodes uint64
}

// Space says how many bytes and inodes this user can still take on the file system of path.
func Space(path string) (free, inodes uint64, err error) {
	v, err := VolumeOf(path)
	return v.Free, v.FreeInodes, err
}
