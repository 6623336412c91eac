package hostfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Note is a file that tells what its process may leave behind when it is killed: written before the first such thing
// is made, and gone with the last. The process holds the file's lock, which ends with it; who finds a note that is not
// locked has something to do.
type Note struct{ file *os.File }

// maxNote bounds what is read of a note.
const maxNote = 1 << 20

// WriteNote makes a new file that holds doc as JSON, and its folder if need be. It is on disk, and locked, when this returns.
func WriteNote(path string, doc any) (*Note, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("write note: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write note: %w", err)
	}
	n := &Note{f}
	err = Lock(f)
	if err == nil {
		err = json.NewEncoder(f).Encode(doc)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write note: %w", err), n.Done())
	}
	return n, nil
}

// AdoptNote takes the note of a dead process and reads it into doc. It returns nil when there is nothing to do: the
// process lives, the note is gone, or it was cut short before it was on disk, which removes it.
func AdoptNote(path string, doc any) (*Note, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read note: %w", err)
	}
	n := &Note{f}
	if Lock(f) != nil || !isNamed(f) {
		return nil, n.Leave()
	}
	data, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read note: %w", err), n.Leave())
	}
	if json.Unmarshal(data, doc) != nil {
		return nil, n.Done()
	}
	return n, nil
}

// isNamed tells whether a file is still the one of its name: another process may have adopted the note, and removed it,
// between our open and our lock.
func isNamed(f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(f.Name())
	return err == nil && os.SameFile(mine, there)
}

// Path is where the note is.
func (n *Note) Path() string { return n.file.Name() }

// Done removes the note: nothing is left.
func (n *Note) Done() error { return RemoveLocked(n.file) }

// Leave lets go of the note, so that another process adopts it.
func (n *Note) Leave() error { return n.file.Close() }

// IsHeld tells whether the process of a note lives.
func IsHeld(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(LockShared(f), ErrLocked)
}
