package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// recoverLimit is how long Recover tries to undo one run's deeds.
const recoverLimit = 30 * time.Second

// Undone is one container that a dead run had left frozen.
type Undone struct {
	Run      string // the run that froze it
	ID, Name string
	Mode     Mode // how it was frozen
	Outcome  Outcome
}

// Recover undoes what runs left frozen whose owner and whose guard are both dead: at boot,
// and before every run. Runs that live, or that a guard or another Recover is at work on,
// are left alone. It goes on after a failure and answers with what it undid and everything
// that failed; what failed stays in the journals for the next time. A state folder that
// does not exist holds nothing.
//
// Each journal names its endpoint, and connect is asked for that engine: a container that
// some other engine does not know is not thereby undone.
func Recover(ctx context.Context, stateDir string, connect Connect) ([]Undone, error) {
	entries, err := os.ReadDir(stateDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list journals: %w", err)
	}
	var all []Undone
	var errs []error
	for _, e := range entries {
		run, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		undone, err := recoverOne(ctx, filepath.Join(stateDir, e.Name()), connect)
		for i := range undone {
			undone[i].Run = run
		}
		all = append(all, undone...)
		if err != nil {
			errs = append(errs, fmt.Errorf("recover run %s: %w", run, err))
		}
	}
	return all, errors.Join(errs...)
}

func recoverOne(ctx context.Context, path string, connect Connect) (undone []Undone, err error) {
	j, err := openJournal(path, time.Now)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // its own guard was faster
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	if ok, err := takeLock(j.f); err != nil || !ok || !j.linked() {
		return nil, err
	}
	t := tail{j: j}
	if err := t.read(); err != nil {
		return nil, err
	}
	left := t.outstanding()
	if len(left) == 0 {
		return nil, clear(j)
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	eng, err := connect(ctx, t.head.Endpoint)
	if err != nil {
		return nil, err
	}
	u := undoer{eng: eng, j: j, by: "recover", age: max(time.Since(t.last), 0)}
	u.report = func(d *deed, o Outcome) {
		undone = append(undone, Undone{ID: d.target.ID, Name: d.target.Name, Mode: d.mode, Outcome: o})
	}
	if p := t.head.Process; p != nil {
		u.rebooted = p.Boot != boot
	}
	if err := u.run(ctx, left, recoverLimit); err != nil {
		return undone, err
	}
	return undone, clear(j)
}
