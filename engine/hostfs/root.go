package hostfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Root is an open folder below which everything else is opened.
type Root struct {
	path string
	fd   int
}

// OpenRoot opens the folder path; symlinks in path itself are followed. The caller closes the Root.
func OpenRoot(path string) (*Root, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Open(path, flags, 0) })
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", path, err)
	}
	return &Root{path: path, fd: fd}, nil
}

// Path is the path that was given to OpenRoot.
func (r *Root) Path() string { return r.path }

// FD is the open descriptor; it belongs to the Root.
func (r *Root) FD() int { return r.fd }

// Close closes the folder. Dirs opened from it stay open.
func (r *Root) Close() error {
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
	return &Dir{fd: fd}, nil
}
