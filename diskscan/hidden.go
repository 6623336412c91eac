//go:build linux

package diskscan

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// hiddenBelowMounts looks below the mount points in the targets, through a private copy of the mount that has nothing
// mounted on it. Only root can do that; for everybody else there is nothing to tell.
func hiddenBelowMounts(ctx context.Context, targets []Target) (all []Hidden) {
	table, err := hostfs.Mounts()
	if err != nil {
		return nil
	}
	for _, t := range targets {
		var points []string
		for _, m := range table {
			if isBelow(m.Point, t.Path) && m.Point != t.Path {
				points = append(points, relative(m.Point, t.Path))
			}
		}
		if len(points) > 0 {
			all = append(all, hiddenIn(ctx, t.Path, points)...)
		}
	}
	return all
}

func hiddenIn(ctx context.Context, path string, points []string) (all []Hidden) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	root, err := hostfs.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil
	}
	defer root.Close()
	for _, rel := range points {
		dir, err := root.OpenDir(rel)
		if err != nil {
			continue // a mount on a mount, or on a file
		}
		result, err := Scan(ctx, ScanOptions{Targets: []Target{{Path: fmt.Sprintf("/proc/self/fd/%d", dir.FD())}}, Workers: 2})
		dir.Close()
		if err == nil && result.Total.Inodes > 1 { // the mount point itself is one
			all = append(all, Hidden{MountPoint: joinPath(path, rel), Usage: result.Total})
		}
	}
	return all
}
