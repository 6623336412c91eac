//go:build !linux

package hostfs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// needsLinux is the answer of what only Linux can do.
func needsLinux(what, path string) error {
	return fmt.Errorf("%s %s: %w", what, path, errors.ErrUnsupported)
}

// Root is a folder, by its path.
type Root struct{ portable }

// OpenRoot looks whether path is a folder.
func OpenRoot(path string) (*Root, error) {
	p, err := openPortable(path)
	if err != nil {
		return nil, err
	}
	return &Root{*p}, nil
}

// Path is the path that was given to OpenRoot.
func (r *Root) Path() string { return r.path }

// Close does nothing.
func (r *Root) Close() error { return nil }

// Sweep visits the root and everything below it, one after the other.
func Sweep[T any](ctx context.Context, r *Root, o SweepOptions, top T, visit SweepVisit[T]) error {
	return sweepPortable(ctx, &r.portable, o, top, visit)
}

// Nameless makes a file for reading and writing in dir and takes its name away, so that nothing of it outlives the
// process. The caller closes it.
func Nameless(dir string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("make a nameless file: %w", err)
	}
	defer root.Close()
	name := ".davit-" + rand.Text()
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a nameless file in %s: %w", dir, err)
	}
	if err := root.Remove(name); err != nil {
		return nil, errors.Join(fmt.Errorf("make a nameless file in %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// LstatPath looks at what is at path; a symlink is not followed. There are no inodes, and no devices.
func LstatPath(path string) (Stat, error) { return pathStat(os.Lstat(path)) }

// StatPath looks at what path leads to.
func StatPath(path string) (Stat, error) { return pathStat(os.Stat(path)) }

func pathStat(info fs.FileInfo, err error) (Stat, error) {
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// DiskUsage is the size of a file.
func DiskUsage(info fs.FileInfo) int64 { return info.Size() }

// SameFileSystem knows of none.
func SameFileSystem(string, string) bool { return false }

// Birth is not known.
func Birth(path string) (uint64, Timespec, error) {
	return 0, Timespec{}, needsLinux("tell the inode of", path)
}

// RenameNew is for Linux.
func RenameNew(from, _ string) error { return needsLinux("rename", from) }

// Exchange is for Linux.
func Exchange(a, _ string) error { return needsLinux("rename", a) }

// Allocate promises nothing.
func Allocate(*os.File, int64) error { return nil }

// FSType knows none, and trusts none.
func (r *Root) FSType() (name string, trusted bool, err error) { return "", false, nil }

// ReadBeneath is for Linux.
func ReadBeneath(dir, _ string, _ int64) ([]byte, Stat, error) {
	return nil, Stat{}, needsLinux("read a file below", dir)
}

// Syncfs is for Linux.
func (r *Root) Syncfs() error { return needsLinux("sync the file system of", r.path) }

// Like is for Linux.
func (a *AtomicFile) Like(path string) error { return needsLinux("make a file like", path) }

// CopyTree is for Linux.
func CopyTree(_ context.Context, src, _ *Root, _ CopyOptions) (*CopyPass, error) {
	return nil, needsLinux("copy", src.path)
}

// LoadCopyPass is for Linux.
func LoadCopyPass(path string, _, _ *Root) (*CopyPass, error) { return nil, needsLinux("read", path) }

// Save is for Linux.
func (p *CopyPass) Save(path string, _, _ *Root) error { return needsLinux("write", path) }

// CompareTree is for Linux.
func CompareTree(_ context.Context, a, _ *Root, _ CompareOptions) (Comparison, error) {
	return Comparison{}, needsLinux("compare", a.path)
}

// RemoveTree is for Linux.
func RemoveTree(path string) error { return needsLinux("remove", path) }

// SubvolumeOf finds none.
func SubvolumeOf(string) (Subvolume, error) { return Subvolume{}, ErrNoSubvolume }

// FSID is not known.
func FSID(path string) (string, error) { return "", needsLinux("identify the file system of", path) }

// Place is never asked for.
func (s Subvolume) Place() string { return s.Path }

// Snapshot is for Linux.
func (s Subvolume) Snapshot(path string) error { return needsLinux("make snapshot", path) }

// RemoveSnapshot is for Linux.
func RemoveSnapshot(path string) error { return needsLinux("remove snapshot", path) }
