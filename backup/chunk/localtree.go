//go:build linux

package chunk

import (
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// Local is the tree of an open folder of this host; the folder stays the caller's.
func Local(root *hostfs.Root) Tree { return localTree{root} }

type localTree struct{ *hostfs.Root }

func (t localTree) Settle(now func() time.Time) (time.Time, error) {
	began := now()
	return began, t.Syncfs()
}

func (t localTree) OpenFolder(rel string) (Folder, error) {
	dir, err := t.OpenDir(rel)
	if err != nil {
		return nil, err
	}
	return localFolder{dir}, nil
}

// LocalSnapshot is the tree of a read-only snapshot of a folder, at when the making of it began: what was dirty then is in
// it. It shares the cache of the folder itself, since inodes and times are the same.
func LocalSnapshot(root *hostfs.Root, at time.Time) Tree { return snapshotTree{localTree{root}, at} }

type snapshotTree struct {
	localTree
	at time.Time
}

func (t snapshotTree) Settle(func() time.Time) (time.Time, error) { return t.at, nil }

type localFolder struct{ *hostfs.Dir }

func (f localFolder) OpenRegular(name string) (File, hostfs.Stat, error) {
	fd, st, err := f.Dir.OpenRegular(name)
	if err != nil {
		return nil, st, err
	}
	return localFile(fd), st, nil
}

type localFile int

func (f localFile) Stat() (hostfs.Stat, error)      { return hostfs.StatFd(int(f)) }
func (f localFile) Xattrs() ([]hostfs.Xattr, error) { return hostfs.FdXattrs(int(f)) }
func (f localFile) Close() error                    { return unix.Close(int(f)) }

func (f localFile) DataSegments(size int64) ([]hostfs.Segment, error) {
	return hostfs.DataSegments(int(f), size)
}

func (f localFile) Pread(buf []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(int(f), buf, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
