//go:build linux

package diskscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

const (
	// maxDatabase bounds the memory for a copy. Docker's and containerd's databases hold a few KiB per object.
	maxDatabase = 512 << 20
	copyRounds  = 5
)

// readBolt lets read look at a copy of a database in memory: the engine holds the lock on the file, and there may be no
// space for a copy on disk. A file that is not there is nil; a damaged one is an error, whatever bbolt makes of it.
func readBolt(path string, read func(tx *bbolt.Tx) error) (err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	memory, err := copyInMemory(file)
	if err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	defer memory.Close()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a page number beyond the end is a memory fault
	defer func() {
		if damage := recover(); damage != nil {
			err = fmt.Errorf("read %s: damaged: %v", path, damage)
		}
	}()
	name := fmt.Sprintf("/proc/self/fd/%d", memory.Fd())
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer db.Close()
	if err := db.View(read); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// copyInMemory copies a database to which somebody may be writing. bbolt writes new pages where the current meta page
// points to nothing, and the meta page last: when the meta pages are the same before and after, the copy is whole.
func copyInMemory(file *os.File) (*os.File, error) {
	fd, err := unix.MemfdCreate("davit-db", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "davit-db")
	for range copyRounds {
		err = copyOnce(memory, file)
		if !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		memory.Close()
		return nil, err
	}
	return memory, nil
}

var errChanged = errors.New("it changed while it was copied")

func copyOnce(to, from *os.File) error {
	before, err := readMeta(from)
	if err != nil {
		return err
	}
	if err := to.Truncate(0); err != nil {
		return err
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(to, io.NewSectionReader(from, 0, maxDatabase+1))
	if err != nil {
		return err
	}
	if n > maxDatabase {
		return fmt.Errorf("larger than %d MiB", maxDatabase>>20)
	}
	after, err := readMeta(from)
	if err == nil && !bytes.Equal(before, after) {
		err = errChanged
	}
	return err
}

// readMeta reads the first two pages.
func readMeta(from *os.File) ([]byte, error) {
	buf := make([]byte, 2*os.Getpagesize())
	n, err := from.ReadAt(buf, 0)
	if err == io.EOF {
		err = nil
	}
	return buf[:n], err
}
