package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/hostfs"
)

// fsJournal tells the next run which snapshots this one may have left. It is on disk before the first is made.
type fsJournal struct {
	path string
	lock *os.File

	Snapshots []string `json:"snapshots"`
	// FileSystems are the ids of those that the folders of the snapshots lie on: a disk that is not mounted at boot keeps
	// its snapshots, and the journal has to wait for it.
	FileSystems map[string]string `json:"file_systems,omitempty"`
}

func fsFolder(stateDir string) string { return filepath.Join(stateDir, "fssnapshots") }

func createFSJournal(env *Env, list []*fsSnapshot) (*fsJournal, error) {
	dir := fsFolder(env.StateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	id, err := randomID(env.Rand)
	if err != nil {
		return nil, err
	}
	j := &fsJournal{path: filepath.Join(dir, id+".json"), FileSystems: map[string]string{}}
	for _, s := range list {
		j.Snapshots = append(j.Snapshots, s.path)
		place := filepath.Dir(s.path)
		if j.FileSystems[place], err = hostfs.FSID(place); err != nil {
			return nil, err
		}
	}
	if j.lock, err = lockJournal(j.path, id); err != nil {
		return nil, err
	}
	data, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode journal: %w", err)
	}
	if err := hostfs.WriteFile(j.path, append(data, '\n'), 0o600); err != nil {
		return nil, errors.Join(err, j.lock.Close())
	}
	return j, nil
}

// settle removes the snapshots, and the journal when none is left.
func (j *fsJournal) settle() error {
	var errs []error
	for _, path := range j.Snapshots {
		if strings.HasPrefix(filepath.Base(path), snapshotPrefix) {
			errs = append(errs, j.remove(path))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, j.lock.Close())
	}
	return errors.Join(os.Remove(j.path), os.Remove(j.path+".lock"), j.lock.Close())
}

// remove removes one snapshot, or finds that it is gone.
func (j *fsJournal) remove(path string) error {
	place := filepath.Dir(path)
	if want := j.FileSystems[place]; want != "" {
		if got, err := hostfs.FSID(place); err != nil || got != want {
			return fmt.Errorf("remove snapshot %s: its file system is not mounted there; %s stays until it is", path, j.path)
		}
	}
	return hostfs.RemoveSnapshot(path)
}

// RecoverSnapshots removes the file system snapshots that runs which are dead have left, and returns their paths.
func RecoverSnapshots(stateDir string) (removed []string, err error) {
	paths, err := hostfs.Matching(fsFolder(stateDir), "*.json")
	if err != nil {
		return nil, fmt.Errorf("read state folder: %w", err)
	}
	var errs []error
	for _, path := range paths {
		j := &fsJournal{path: path}
		if j.lock, err = lockJournal(j.path, strings.TrimSuffix(filepath.Base(path), ".json")); err != nil {
			var busy *busyError
			if !errors.As(err, &busy) {
				errs = append(errs, err)
			}
			continue
		}
		data, err := os.ReadFile(j.path)
		if err == nil {
			err = json.Unmarshal(data, j)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read journal %s: %w", j.path, err), j.lock.Close())
			continue
		}
		if err := j.settle(); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, j.Snapshots...)
	}
	return removed, errors.Join(errs...)
}
