package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/hostfs"
)

// A journal is a file that is there as long as something of a run may be. The run holds a lock on it, which goes away with
// the process.
type journal struct {
	file *os.File
	note journalNote
}

// journalNote is what a journal says: objects are found by the run's label.
type journalNote struct {
	Version  int    `json:"version"`
	Run      string `json:"run"`
	Endpoint string `json:"endpoint"` // of the engine that the run works on, as a reference
}

const journalSuffix = ".journal"

// folder is where journals and reports are.
func folder(stateDir string) string { return filepath.Join(stateDir, "drills") }

// beginJournal writes, durably, that a run may make things from now on.
func beginJournal(stateDir, run, endpoint string) (*journal, error) {
	j, err := createJournal(stateDir, journalNote{Version: 1, Run: run, Endpoint: endpoint})
	if err != nil {
		return nil, fmt.Errorf("begin journal of drill: %w", err)
	}
	return j, nil
}

func createJournal(stateDir string, note journalNote) (_ *journal, err error) {
	dir := folder(stateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, note.Run+journalSuffix)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, note: note}
	err = hostfs.Lock(f)
	if err == nil {
		err = json.NewEncoder(f).Encode(note)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = hostfs.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, j.done())
	}
	return j, nil
}

// done removes the journal: nothing of the run is left.
func (j *journal) done() error { return hostfs.RemoveLocked(j.file) }

// leave lets go of the journal, so that the next drill or davit recover removes what is left.
func (j *journal) leave() error { return j.file.Close() }

// leftJournals are the paths of the journals that there are.
func leftJournals(stateDir string) ([]string, error) {
	entries, err := os.ReadDir(folder(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journals of drills: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), journalSuffix) {
			paths = append(paths, filepath.Join(folder(stateDir), e.Name()))
		}
	}
	return paths, nil
}

// adopt takes the journal of a dead run; nil when its run lives, or it is gone.
func adopt(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal of drill: %w", err)
	}
	if hostfs.Lock(f) != nil {
		return nil, f.Close()
	}
	j := &journal{file: f}
	data, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read journal of drill: %w", err), j.leave())
	}
	if json.Unmarshal(data, &j.note) != nil || j.note.Run == "" {
		// It was cut short before it was on disk, so nothing had been made.
		return nil, j.done()
	}
	return j, nil
}

// alive tells whether a run still holds its journal.
func alive(stateDir, run string) bool {
	f, err := os.Open(filepath.Join(folder(stateDir), run+journalSuffix))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(hostfs.LockShared(f), hostfs.ErrLocked)
}

// Left tells whether there may be something for Recover to do.
func Left(stateDir string) bool {
	paths, err := leftJournals(stateDir)
	return err == nil && len(paths) > 0
}

// Connect gives the engine of an endpoint, and what lets go of it.
type Connect func(ctx context.Context, endpoint string) (eng Engine, done func(), err error)

// Recover removes what runs that are dead have left, and returns what each was. What cannot be removed now stays, and is
// told by the error; runs that live are left alone.
func Recover(ctx context.Context, stateDir string, connect Connect) ([]Removed, error) {
	paths, err := leftJournals(stateDir)
	if err != nil {
		return nil, err
	}
	var list []Removed
	var errs []error
	for _, path := range paths {
		j, err := adopt(path)
		if j == nil || err != nil {
			errs = append(errs, err)
			continue
		}
		removed, err := j.sweep(ctx, connect)
		if err != nil {
			errs = append(errs, fmt.Errorf("remove what drill %s left: %w", j.note.Run, err), j.leave())
			continue
		}
		list = append(list, removed)
		errs = append(errs, j.done())
	}
	return list, errors.Join(errs...)
}

func (j *journal) sweep(ctx context.Context, connect Connect) (Removed, error) {
	eng, done, err := connect(ctx, j.note.Endpoint)
	if err != nil {
		return Removed{}, err
	}
	defer done()
	return sweep(ctx, eng, j.note.Run)
}
