//go:build !linux || portable

package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"davit/engine/hostfs"
)

// What a folder needs, by the standard library alone: every blob is made durable by itself, and a name that must be new is
// given by a link. The tag portable builds it on Linux too, for tests.

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// below is a name's path; a nil folder is the working one.
func below(folder *os.File, name string) string {
	if folder == nil {
		return name
	}
	return filepath.Join(folder.Name(), name)
}

// openRegularAt opens a regular file for reading and tells its size; a nil folder is the working one.
func openRegularAt(folder *os.File, name string) (*os.File, int64, error) {
	path := below(folder, name)
	seen, err := os.Lstat(path)
	if err != nil {
		return nil, 0, err
	}
	if !seen.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("open %s: not a regular file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(seen, info) {
		err = fmt.Errorf("open %s: it was replaced meanwhile", name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// statRegular looks at a regular file without opening it; a nil folder is the working one.
func statRegular(folder *os.File, name string) (Info, error) {
	info, err := os.Lstat(below(folder, name))
	if err != nil {
		return Info{}, absent(err)
	}
	if !info.Mode().IsRegular() {
		return Info{}, fmt.Errorf("stat %s: not a regular file", name)
	}
	return Info{Size: info.Size(), Time: info.ModTime()}, nil
}

func createAt(dir *os.File, name string) (*os.File, error) {
	return os.OpenFile(below(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
}

func removeAt(dir *os.File, name string) error {
	if err := os.Remove(below(dir, name)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// renameNew renames unless the target exists: then it returns an error that
// os.IsExist recognizes.
func renameNew(dir *os.File, from, to string) error {
	if err := linkAt(dir, from, to); err != nil {
		return err
	}
	return removeAt(dir, from)
}

func renameOver(dir *os.File, from, to string) error {
	return os.Rename(below(dir, from), below(dir, to))
}

func linkAt(dir *os.File, from, to string) error {
	return os.Link(below(dir, from), below(dir, to))
}

// cannotLink tells that the file system has no hard links, or no more of them.
func cannotLink(err error) bool {
	return cannotRenameNew(err) || errors.Is(err, syscall.EXDEV)
}

// cannotRenameNew tells the same of a link that was to be a file's new name.
func cannotRenameNew(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK)
}

// settle makes the content of a file durable that is written.
func settle(f *os.File, _, _ int64) error { return f.Sync() }

// startWriteback has nothing to ask for.
func startWriteback(*os.File, int64, int64) {}

// syncFileSystem makes the names in dir durable; the content of what they name is.
func syncFileSystem(dir *os.File) error { return hostfs.SyncDir(dir.Name()) }

// syncFileAt makes a file's content durable.
func syncFileAt(dir *os.File, name string) error {
	f, err := os.OpenFile(below(dir, name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// touchNow sets a file's time by the clock of its file system: by writing again what it begins with.
func touchNow(f *os.File) error {
	var first [1]byte
	if _, err := f.ReadAt(first[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err := f.WriteAt(first[:], 0)
	return err
}
