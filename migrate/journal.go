package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"davit/engine/hostfs"
)

// formatVersion of the journal. A newer one is not touched.
const formatVersion = 1

// JournalVersion is the version of the journal that this package writes, and the newest that it reads.
const JournalVersion = formatVersion

// ErrNone means that there is no migration.
var ErrNone = errors.New("there is no migration")

// ErrBusy means that somebody is at work on the migration.
var ErrBusy = errors.New("a migration is under way")

// Folder is where migrations are recorded below the state folder.
func Folder(stateDir string) string { return filepath.Join(stateDir, "migrate") }

func journalPath(stateDir string) string { return filepath.Join(Folder(stateDir), "journal.json") }

// Load reads the journal; without one the error is [ErrNone].
func Load(stateDir string) (*State, error) {
	data, err := os.ReadFile(journalPath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("read migration journal: %w", err)
	}
	return parse(data)
}

func parse(data []byte) (*State, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("read migration journal: %w", err)
	}
	if head.Version > formatVersion {
		return nil, fmt.Errorf("read migration journal: a newer davit wrote it (version %d)", head.Version)
	}
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read migration journal: %w", err)
	}
	if s.Plan.Survey == nil {
		return nil, fmt.Errorf("read migration journal: it has no plan")
	}
	return s, nil
}

// passPath is where the last warm pass over a store is kept.
func passPath(stateDir, id, store string) string {
	return filepath.Join(Folder(stateDir), id+"-"+store+".pass")
}

// journal is the journal in the hands of the one who may change it. It is not for concurrent use.
type journal struct {
	stateDir string
	lock     *os.File
	now      func() time.Time
	state    *State
}

// openJournal takes the lock, and reads the journal if there is one; it is [ErrBusy] when somebody else has it.
func openJournal(stateDir string, now func() time.Time) (*journal, error) {
	if err := os.MkdirAll(Folder(stateDir), 0o700); err != nil {
		return nil, fmt.Errorf("make folder for the migration's journal: %w", err)
	}
	lock, err := lockFile(stateDir)
	if err != nil {
		return nil, err
	}
	s, err := Load(stateDir)
	if err != nil && !errors.Is(err, ErrNone) {
		lock.Close()
		return nil, err
	}
	return &journal{stateDir: stateDir, lock: lock, now: now, state: s}, nil
}

func lockFile(stateDir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(Folder(stateDir), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the migration: %w", err)
	}
	if err := hostfs.Lock(f); err != nil {
		f.Close()
		if errors.Is(err, hostfs.ErrLocked) {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("lock the migration: %w", err)
	}
	return f, nil
}

// Busy tells whether somebody is at work on the migration.
func Busy(stateDir string) bool {
	if _, err := os.Stat(Folder(stateDir)); err != nil {
		return false
	}
	f, err := lockFile(stateDir)
	if err != nil {
		return errors.Is(err, ErrBusy)
	}
	f.Close()
	return false
}

func (j *journal) close() { _ = j.lock.Close() }

// save puts the state on disk; it is there when save returns.
func (j *journal) save() error {
	j.state.Version, j.state.Changed = formatVersion, j.now().UTC()
	data, err := json.MarshalIndent(j.state, "", " ")
	if err != nil {
		return fmt.Errorf("write migration journal: %w", err)
	}
	err = hostfs.WriteFile(journalPath(j.stateDir), data, 0o600)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		j.release()
		err = hostfs.WriteFile(journalPath(j.stateDir), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write migration journal: %w", err)
	}
	return nil
}

// begin records that a step is about to begin.
func (j *journal) begin(s Step) error {
	j.state.Step = s
	return j.save()
}

// Create begins the journal of a plan, in the place of one that is over, which is kept under its id.
func Create(stateDir string, p *Plan, now func() time.Time) error {
	j, err := openJournal(stateDir, now)
	if err != nil {
		return err
	}
	defer j.close()
	if j.state != nil {
		if !j.state.Over() {
			return &UnfinishedError{State: j.state}
		}
		if err := j.archive(); err != nil {
			return err
		}
	}
	if err := j.reserve(); err != nil {
		return err
	}
	j.state = &State{Plan: *p, Action: ActionRun, Step: StepCopy, Began: now().UTC()}
	return j.save()
}

// archive keeps the journal beside the next one.
func (j *journal) archive() error {
	old := filepath.Join(Folder(j.stateDir), j.state.Plan.ID+".json")
	if err := os.Rename(journalPath(j.stateDir), old); err != nil {
		return fmt.Errorf("keep the journal of the last migration: %w", err)
	}
	for _, s := range j.state.Plan.Survey.Stores {
		if err := os.Remove(passPath(j.stateDir, j.state.Plan.ID, s.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget the passes of the last migration: %w", err)
		}
	}
	return nil
}

// UnfinishedError means that another migration has to be decided about first.
type UnfinishedError struct{ State *State }

func (e *UnfinishedError) Error() string {
	if e.State.Outcome == Done {
		return fmt.Sprintf("migration %s is done and not committed", e.State.Plan.ID)
	}
	return fmt.Sprintf("migration %s is not finished", e.State.Plan.ID)
}

// LimitDowntime changes how long the next worker may have the containers down: 0 is no limit.
func LimitDowntime(stateDir string, most time.Duration, now func() time.Time) error {
	j, err := openJournal(stateDir, now)
	if err != nil {
		return err
	}
	defer j.close()
	if j.state == nil {
		return ErrNone
	}
	options := j.state.Plan.Options
	options.MaxDowntime = most
	if err := options.Check(); err != nil {
		return err
	}
	j.state.Plan.Options = options
	return j.save()
}

// Order tells the next worker what to do with the migration that there is.
func Order(stateDir string, a Action, now func() time.Time) error {
	j, err := openJournal(stateDir, now)
	if err != nil {
		return err
	}
	defer j.close()
	if j.state == nil {
		return ErrNone
	}
	if j.state.Outcome == "" && (a != ActionRun || j.state.Step != StepCopy) {
		return &UnfinishedError{State: j.state}
	}
	if err := Allowed(j.state, a); err != nil {
		return err
	}
	if err := j.reserve(); err != nil {
		return err
	}
	j.state.Action = a
	if j.state.Outcome != Done {
		j.state.Outcome = ""
	}
	return j.save()
}
