package drill

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"davit/engine/hostfs"
)

// A journal is a note that is there as long as something of a run may be.
type journal struct {
	*hostfs.Note
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

func journalPath(stateDir, run string) string {
	return filepath.Join(folder(stateDir), run+journalSuffix)
}

// beginJournal writes, durably, that a run may make things from now on.
func beginJournal(stateDir, run, endpoint string) (*journal, error) {
	j := &journal{note: journalNote{Version: 1, Run: run, Endpoint: endpoint}}
	var err error
	if j.Note, err = hostfs.WriteNote(journalPath(stateDir, run), j.note); err != nil {
		return nil, fmt.Errorf("begin journal of drill: %w", err)
	}
	return j, nil
}

// adopt takes the journal of a dead run; nil when its run lives, or it is gone.
func adopt(path string) (*journal, error) {
	j := &journal{}
	var err error
	if j.Note, err = hostfs.AdoptNote(path, &j.note); err != nil {
		return nil, fmt.Errorf("read journal of drill: %w", err)
	}
	if j.Note == nil {
		return nil, nil
	}
	if j.note.Run == "" { // it names no objects
		return nil, j.Done()
	}
	return j, nil
}

// leftJournals are the paths of the journals that there are.
func leftJournals(stateDir string) ([]string, error) {
	return hostfs.Matching(folder(stateDir), "*"+journalSuffix)
}

// alive tells whether a run still holds its journal.
func alive(stateDir, run string) bool { return hostfs.IsHeld(journalPath(stateDir, run)) }

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
			errs = append(errs, fmt.Errorf("remove what drill %s left: %w", j.note.Run, err), j.Leave())
			continue
		}
		list = append(list, removed)
		errs = append(errs, j.Done())
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
