package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// A restore that is run again after it was cut short leaves what is right already. Folders are written beside their
// place and renamed into it when they are whole, so that one which has its name is whole; the journal tells by the identity
// of its inode that it came from this item of this snapshot. Containers are told by their ids.

// restoreVersion is the format of the journals. Others are not read.
const restoreVersion = 1

// restoreRecord is the content of a journal: one run of ApplyRestore.
type restoreRecord struct {
	Version  int           `json:"version"`
	ID       string        `json:"id"`
	Snapshot string        `json:"snapshot"`
	Time     time.Time     `json:"time"`
	Staged   []string      `json:"staged"` // folders that may be left beside their place
	Marks    []restoreMark `json:"marks"`
}

// restoreMark says what an item became. It is written before the item gets its name.
type restoreMark struct {
	Item     string `json:"item"` // KIND/NAME
	Digest   string `json:"digest"`
	Target   string `json:"target"`             // folder, file or container
	Identity string `json:"identity,omitempty"` // of its inode, or its id; empty: a container that was about to be made
}

// restoreJournal is a journal that this process holds.
type restoreJournal struct {
	path   string
	lock   *os.File
	record restoreRecord
}

func restoreFolder(stateDir string) string { return filepath.Join(stateDir, "restores") }

// createRestoreJournal makes the journal of a run, after it has cleared up after those that were cut short.
func createRestoreJournal(env *Env, snapshot string) (*restoreJournal, error) {
	dir := restoreFolder(env.StateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	if err := removeStaged(env.StateDir, env.Now()); err != nil {
		return nil, err
	}
	id, err := randomID(env.Rand)
	if err != nil {
		return nil, err
	}
	j := &restoreJournal{path: filepath.Join(dir, snapshot+"-"+id+".json"), record: restoreRecord{
		Version: restoreVersion, ID: id, Snapshot: snapshot, Time: env.Now().UTC(),
	}}
	if j.lock, err = lockJournal(j.path, id); err != nil {
		return nil, err
	}
	return j, j.write()
}

func (j *restoreJournal) write() error {
	data, err := json.MarshalIndent(j.record, "", "  ")
	if err != nil {
		return fmt.Errorf("encode journal: %w", err)
	}
	return hostfs.WriteFile(j.path, append(data, '\n'), 0o600)
}

// stage names a folder beside a target that is written first, and notes it.
func (j *restoreJournal) stage(target string) (string, error) {
	dir := filepath.Join(filepath.Dir(target), fmt.Sprintf(".davit-new-%s-%d", j.record.ID, len(j.record.Staged)))
	j.record.Staged = append(j.record.Staged, dir)
	return dir, j.write()
}

// mark notes what an item is about to become. What was only about to be made is made then.
func (j *restoreJournal) mark(it repo.Item, target, identity string) error {
	m := restoreMark{Item: FormatItem(it.Kind, it.Name), Digest: it.Desc.Digest.String(), Target: target}
	j.record.Marks = slices.DeleteFunc(j.record.Marks, func(other restoreMark) bool { return other == m })
	m.Identity = identity
	j.record.Marks = append(j.record.Marks, m)
	return j.write()
}

// Close ends the run. What it marked is kept for the next one; a run that marked nothing leaves nothing.
func (j *restoreJournal) Close() error {
	err := j.lock.Close()
	if len(j.record.Marks) == 0 {
		err = errors.Join(err, os.Remove(j.path))
	}
	return errors.Join(err, os.Remove(j.path+".lock"))
}

// readRestoreRecords reads the journals of a state folder with their paths, those of one snapshot or all of them.
func readRestoreRecords(stateDir, snapshot string) (map[string]restoreRecord, error) {
	paths, err := hostfs.Matching(restoreFolder(stateDir), snapshot+"*.json")
	if err != nil {
		return nil, fmt.Errorf("read state folder: %w", err)
	}
	records := map[string]restoreRecord{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // of a run that ended meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		var r restoreRecord
		if err := json.Unmarshal(data, &r); err != nil || r.Version != restoreVersion {
			continue // the worst that follows is a conflict to settle by hand
		}
		records[path] = r
	}
	return records, nil
}

// keepRestoreRecords is how long a restore can be taken up again.
const keepRestoreRecords = 30 * 24 * time.Hour

// removeStaged removes the folders that runs which were cut short left beside their place.
func removeStaged(stateDir string, now time.Time) error {
	records, err := readRestoreRecords(stateDir, "")
	if err != nil {
		return err
	}
	for path, r := range records {
		old := now.Sub(r.Time) > keepRestoreRecords
		if len(r.Staged) == 0 && !old {
			continue
		}
		lock, err := lockJournal(path, r.ID)
		var busy *busyError
		if errors.As(err, &busy) {
			continue
		}
		if err != nil {
			return err
		}
		j := &restoreJournal{path: path, lock: lock, record: r}
		for _, dir := range r.Staged {
			if !strings.HasPrefix(filepath.Base(dir), ".davit-new-"+r.ID+"-") {
				continue
			}
			if err := os.RemoveAll(dir); err != nil {
				return errors.Join(fmt.Errorf("clear up after restore %s: %w", r.ID, err), lock.Close())
			}
		}
		j.record.Staged = nil
		if old {
			j.record.Marks = nil
		}
		if err := errors.Join(j.write(), j.Close()); err != nil {
			return err
		}
	}
	return nil
}
