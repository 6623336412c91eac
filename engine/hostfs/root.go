//go:build linux

package hostfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Root is an open folder below which everything else is opened.
type Root struct {
	path string
	fd   int
	proc int // /proc/self/fd, through which an O_PATH descriptor is opened for reading
}

// OpenRoot opens the folder path; symlinks in path itself are followed. The caller closes the Root, after the Dirs opened
// from it.
func OpenRoot(path string) (*Root, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	fd, err := openat(unix.AT_FDCWD, path, flags)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", path, err)
	}
	proc, err := openProc()
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Root{path: path, fd: fd, proc: proc}, nil
}

// Path is the path that was given to OpenRoot.
func (r *Root) Path() string { return r.path }

// FD is the open descriptor; it belongs to the Root.
func (r *Root) FD() int { return r.fd }

// Close closes the folder.
func (r *Root) Close() error {
	unix.Close(r.proc)
	if err := unix.Close(r.fd); err != nil {
		return fmt.Errorf("close folder %s: %w", r.path, err)
	}
	return nil
}

// Stat reads the inode of the folder itself.
func (r *Root) Stat() (Stat, error) {
	st, err := StatFd(r.fd)
	if err != nil {
		return st, fmt.Errorf("stat %s: %w", r.path, err)
	}
	return st, nil
}

// Syncfs writes the whole file system of the root to disk and waits for it. After it, the next store into a memory-mapped
// page changes the file's times, which a store into a page that is already dirty does not.
func (r *Root) Syncfs() error {
	if err := unix.Syncfs(r.fd); err != nil {
		return fmt.Errorf("sync file system of %s: %w", r.path, err)
	}
	return nil
}

// OpenDir opens the folder rel beneath the root; "" is the root itself. No symlink is followed, and rel may be longer
// than PATH_MAX. The caller closes the Dir.
func (r *Root) OpenDir(rel string) (*Dir, error) {
	if err := checkRel(rel); err != nil {
		return nil, fmt.Errorf("open folder in %s: %w", r.path, err)
	}
	fd, err := openBeneath(r.fd, rel)
	if err != nil {
		return nil, fmt.Errorf("open folder %q in %s: %w", rel, r.path, err)
	}
	return &Dir{fd: fd, proc: r.proc}, nil
}

func openProc() (int, error) {
	fd, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /proc/self/fd: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return -1, fmt.Errorf("open /proc/self/fd: /proc is not mounted")
	}
	return fd, nil
}
