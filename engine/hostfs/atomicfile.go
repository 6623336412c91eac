package hostfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// AtomicFile is a file that appears under its name complete and on disk, or not at all. Until Commit, only a temporary
// file beside it (".davit-*") exists. It is not for concurrent use.
type AtomicFile struct {
	path string
	file *os.File // nil after Commit or Abort
	err  error    // of the first Write that went wrong
}

// Create begins a file that Commit puts at path with exactly perm, whatever the umask. A symlink at path is replaced, not
// followed. The caller ends with Commit or Abort; Abort after Commit does nothing, so it can be deferred.
func Create(path string, perm os.FileMode) (*AtomicFile, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".davit-*")
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	a := &AtomicFile{path: path, file: file}
	if err := file.Chmod(perm); err != nil {
		a.Abort()
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return a, nil
}

// Write appends to the file. After an error, Commit will refuse.
func (a *AtomicFile) Write(data []byte) (int, error) {
	if a.file == nil {
		return 0, fmt.Errorf("write %s: %w", a.path, os.ErrClosed)
	}
	n, err := a.file.Write(data)
	if err != nil {
		a.err = errors.Join(a.err, fmt.Errorf("write %s: %w", a.path, err))
	}
	return n, err
}

// Commit makes the content durable, renames it to its path and makes the name durable. On an error before the rename
// the old file is untouched and the temporary one gone.
func (a *AtomicFile) Commit() error {
	if a.file == nil {
		return fmt.Errorf("commit %s: %w", a.path, os.ErrClosed)
	}
	defer a.Abort()
	if a.err != nil {
		return a.err
	}
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", a.path, err)
	}
	if err := a.file.Close(); err != nil { // Windows renames no open file
		return fmt.Errorf("close %s: %w", a.path, err)
	}
	if err := os.Rename(a.file.Name(), a.path); err != nil {
		return fmt.Errorf("put %s in place: %w", a.path, err)
	}
	a.file = nil
	return SyncDir(filepath.Dir(a.path))
}

// Abort throws the content away. It does nothing after Commit or Abort.
func (a *AtomicFile) Abort() {
	if a.file == nil {
		return
	}
	a.file.Close()
	os.Remove(a.file.Name())
	a.file = nil
}

// WriteFile puts a whole file at path atomically and durably, as AtomicFile does.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	a, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer a.Abort()
	if _, err := a.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return a.Commit()
}

// SyncDir makes the names in a folder durable: what was created, renamed or removed in it.
func SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // no folder can be synced there: the journal of NTFS keeps the names
	}
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer dir.Close()
	// Some network file systems cannot sync folders and say EINVAL.
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("sync folder %s: %w", path, err)
	}
	return nil
}
