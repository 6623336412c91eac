package backup

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"davit/engine/hostfs"
)

// The states of a restore in place.
const (
	inPlaceRestoring = "restoring" // folders are written beside the old ones; nothing else has changed
	inPlaceSwapping  = "swapping"  // some folders may be swapped
	inPlaceSwapped   = "swapped"   // done; the old data is kept
)

// inPlaceVersion is the format of the journals. A newer one is not touched.
const inPlaceVersion = 1

// inPlaceRecord is the content of a journal.
type inPlaceRecord struct {
	Version  int              `json:"version"` // inPlaceVersion; the first ones have none
	ID       string           `json:"id"`
	Time     time.Time        `json:"time"`
	Snapshot string           `json:"snapshot"`
	State    string           `json:"state"`
	Volumes  []*inPlaceVolume `json:"volumes"`
}

// inPlaceVolume is one volume of a restore in place.
type inPlaceVolume struct {
	Name  string `json:"name"`
	Data  string `json:"data"`            // its folder, .../NAME/_data
	Inode uint64 `json:"inode,omitempty"` // of the folder that was restored: tells which of two folders it is
}

func (v *inPlaceVolume) newDir(id string) string { return v.Data + ".davit-new-" + id }
func (v *inPlaceVolume) oldDir(id string) string { return v.Data + ".davit-old-" + id }

// swapped reports whether the restored folder has the volume's name.
func (v *inPlaceVolume) swapped() (bool, error) {
	ino, err := inode(v.Data)
	return v.Inode != 0 && ino == v.Inode, err
}

// inPlaceJournal is a journal that this process holds. Each change is on disk before it is acted on.
type inPlaceJournal struct {
	path   string
	lock   *os.File
	record inPlaceRecord
}

func inPlaceFolder(stateDir string) string { return filepath.Join(stateDir, "inplace") }

func createInPlaceJournal(stateDir string, record inPlaceRecord) (*inPlaceJournal, error) {
	dir := inPlaceFolder(stateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	j := &inPlaceJournal{path: filepath.Join(dir, record.ID+".json"), record: record}
	if err := j.takeLock(); err != nil {
		return nil, err
	}
	return j, j.write()
}

// takeLock shows other processes that somebody is at work; the kernel lets go when this one ends.
func (j *inPlaceJournal) takeLock() (err error) {
	j.lock, err = lockJournal(j.path, j.record.ID)
	return err
}

// lockJournal locks the journal of a restore.
func lockJournal(path, id string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock restore: %w", err)
	}
	if err := hostfs.Lock(f); err != nil {
		return nil, errors.Join(&busyError{id}, f.Close())
	}
	return f, nil
}

// busyError says that another process is at work on a restore.
type busyError struct{ id string }

func (e *busyError) Error() string { return "restore " + e.id + " is still under way" }

func (j *inPlaceJournal) write() error {
	j.record.Version = inPlaceVersion
	data, err := json.MarshalIndent(j.record, "", "  ")
	if err != nil {
		return fmt.Errorf("encode journal: %w", err)
	}
	return hostfs.WriteFile(j.path, append(data, '\n'), 0o600)
}

func (j *inPlaceJournal) close() error { return j.lock.Close() }

// remove deletes the journal: nothing of the restore is left to look after.
func (j *inPlaceJournal) remove() error {
	return errors.Join(os.Remove(j.path), os.Remove(j.path+".lock"))
}

func (j *inPlaceJournal) addVolume(name, data string) (*inPlaceVolume, error) {
	v := &inPlaceVolume{Name: name, Data: data}
	j.record.Volumes = append(j.record.Volumes, v)
	return v, j.write()
}

func (j *inPlaceJournal) noteInode(v *inPlaceVolume) (err error) {
	if v.Inode, err = inode(v.newDir(j.record.ID)); err != nil {
		return err
	}
	return j.write()
}

// swap gives every restored folder the volume's name and keeps the old one beside it.
func (j *inPlaceJournal) swap() error {
	j.record.State = inPlaceSwapping
	if err := j.write(); err != nil {
		return err
	}
	for _, v := range j.record.Volumes {
		if err := exchange(v.newDir(j.record.ID), v.Data); err != nil {
			return err
		}
		if err := renameFolder(v.newDir(j.record.ID), v.oldDir(j.record.ID)); err != nil {
			return err
		}
	}
	j.record.State = inPlaceSwapped
	return j.write()
}

// swapBack gives the old folders their name back, as far as they were swapped.
func (j *inPlaceJournal) swapBack() error {
	j.record.State = inPlaceSwapping
	if err := j.write(); err != nil {
		return err
	}
	for _, v := range j.record.Volumes {
		swapped, err := v.swapped()
		if err != nil {
			return err
		}
		if !swapped {
			continue
		}
		old := v.oldDir(j.record.ID)
		if _, err := os.Lstat(old); errors.Is(err, fs.ErrNotExist) {
			old = v.newDir(j.record.ID) // cut short between swap and rename
		}
		if err := exchange(old, v.Data); err != nil {
			return err
		}
		if old != v.newDir(j.record.ID) {
			if err := renameFolder(old, v.newDir(j.record.ID)); err != nil {
				return err
			}
		}
	}
	j.record.State = inPlaceRestoring
	return j.write()
}

// undo removes what was restored beside the volumes. Nothing may be swapped.
func (j *inPlaceJournal) undo() error {
	if j.record.State != inPlaceRestoring {
		return nil // its volumes could not be swapped back: the journal stays
	}
	for _, v := range j.record.Volumes {
		if err := os.RemoveAll(v.newDir(j.record.ID)); err != nil {
			return fmt.Errorf("remove what was restored: %w", err)
		}
	}
	return j.remove()
}

func renameFolder(from, to string) error {
	if err := hostfs.RenameNew(from, to); err != nil {
		return err
	}
	return hostfs.SyncDir(filepath.Dir(to))
}

// openInPlaceJournals reads all journals, oldest first, without locking them.
func openInPlaceJournals(stateDir string) ([]*inPlaceJournal, error) {
	paths, err := hostfs.Matching(inPlaceFolder(stateDir), "*.json")
	if err != nil {
		return nil, fmt.Errorf("read state folder: %w", err)
	}
	var list []*inPlaceJournal
	for _, path := range paths {
		j := &inPlaceJournal{path: path}
		data, err := os.ReadFile(j.path)
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		var head struct{ Version int }
		if err := json.Unmarshal(data, &head); err == nil && head.Version > inPlaceVersion {
			return nil, fmt.Errorf("read journal %s: version %d is newer than this davit knows (%d)", j.path, head.Version, inPlaceVersion)
		}
		if err := json.Unmarshal(data, &j.record); err != nil {
			return nil, fmt.Errorf("read journal %s: %w", j.path, err)
		}
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *inPlaceJournal) int { return a.record.Time.Compare(b.record.Time) })
	return list, nil
}

// removeAbandoned clears up after restores that were killed. What was not swapped yet is removed. What was
// swapped stays, with the old data beside it: its users may run with it by now.
func removeAbandoned(stateDir string) error {
	journals, err := openInPlaceJournals(stateDir)
	if err != nil {
		return err
	}
	for _, j := range journals {
		if j.record.State == inPlaceSwapped {
			continue
		}
		var busy *busyError
		if err := j.takeLock(); errors.As(err, &busy) {
			continue
		} else if err != nil {
			return err
		}
		if err := errors.Join(j.settle(), j.close()); err != nil {
			return fmt.Errorf("clear up after restore %s: %w", j.record.ID, err)
		}
	}
	return nil
}

// settle brings an abandoned restore to an end.
func (j *inPlaceJournal) settle() error {
	var kept, dropped []*inPlaceVolume
	for _, v := range j.record.Volumes {
		swapped, err := v.swapped()
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case swapped:
			kept = append(kept, v)
		default:
			dropped = append(dropped, v)
		}
	}
	for _, v := range kept {
		err := renameFolder(v.newDir(j.record.ID), v.oldDir(j.record.ID))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, v := range dropped {
		if err := os.RemoveAll(v.newDir(j.record.ID)); err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return j.remove()
	}
	j.record.Volumes, j.record.State = kept, inPlaceSwapped
	return j.write()
}

func randomID(rand io.Reader) (string, error) {
	id := make([]byte, 6)
	if _, err := io.ReadFull(rand, id); err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return hex.EncodeToString(id), nil
}
