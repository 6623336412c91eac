package enginetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tree describes a whole file tree by path; "." is its top. Two trees with nothing in Diff are the same for whoever uses
// them, access and change times aside.
type Tree map[string]Node

// Node is everything of one file that a backup has to bring back.
type Node struct {
	Mode, UID, GID uint32 // Mode with the type bits
	Sec, Nsec      int64  // mtime
	Rdev           uint64 // of devices
	Size           int64  // of regular files
	Content        string // digest of size and content of a regular file; holes and zeros are equal
	Sparse         bool   // a regular file with a hole that covers a block of 4096
	Target         string // of a symlink
	LinkOf         string // the first path of the same inode, if the tree has more than one
	Xattrs         map[string]string
}

// Diff lists what is different in u, one line for each property, sorted by path; nothing when the trees are the same.
func (t Tree) Diff(u Tree) []string {
	var lines []string
	paths := maps.Clone(t)
	maps.Copy(paths, u)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		was, had := t[path]
		is, has := u[path]
		switch {
		case !had:
			lines = append(lines, fmt.Sprintf("%q: added, mode %o", path, is.Mode))
		case !has:
			lines = append(lines, fmt.Sprintf("%q: missing, mode was %o", path, was.Mode))
		default:
			for _, d := range was.diff(is) {
				lines = append(lines, fmt.Sprintf("%q: %s", path, d))
			}
		}
	}
	return lines
}

func (n Node) diff(m Node) []string {
	var out []string
	note := func(what string, was, is any) {
		if was != is {
			out = append(out, fmt.Sprintf("%s was %v, is %v", what, was, is))
		}
	}
	note("mode", fmt.Sprintf("%o", n.Mode), fmt.Sprintf("%o", m.Mode))
	note("owner", fmt.Sprintf("%d:%d", n.UID, n.GID), fmt.Sprintf("%d:%d", m.UID, m.GID))
	note("mtime", fmt.Sprintf("%d.%09d", n.Sec, n.Nsec), fmt.Sprintf("%d.%09d", m.Sec, m.Nsec))
	note("device", n.Rdev, m.Rdev)
	note("size", n.Size, m.Size)
	note("content", n.Content, m.Content)
	note("sparse", n.Sparse, m.Sparse)
	note("target", fmt.Sprintf("%q", n.Target), fmt.Sprintf("%q", m.Target))
	note("hard link of", fmt.Sprintf("%q", n.LinkOf), fmt.Sprintf("%q", m.LinkOf))
	note("xattrs", xattrText(n.Xattrs), xattrText(m.Xattrs))
	return out
}

func xattrText(xattrs map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		parts = append(parts, fmt.Sprintf("%s=%x", name, xattrs[name]))
	}
	return "[" + strings.Join(parts, " ") + "]"
}
