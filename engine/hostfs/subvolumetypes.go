package hostfs

import "errors"

// NestedInode is the inode number of the empty folder that stands in a snapshot of btrfs where the original has a subvolume
// of its own.
const NestedInode = 2

// ErrNoSubvolume says that a folder has no subvolume around it that could be snapshotted.
var ErrNoSubvolume = errors.New("no btrfs subvolume")

// Subvolume is the btrfs subvolume around a folder.
type Subvolume struct {
	Path string // its root, as this process sees it
	Rel  string // of the folder below it, "" for the root itself
}
