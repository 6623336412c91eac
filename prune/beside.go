package prune

import (
	"bufio"
	"context"
	"davit/engine/hostfs"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Backup is a backup of this host that prunes keep away from: what it saves is in use until Close.
type Backup struct {
	state string
	gate  *os.File // held until the backup has said what it saves
	items *os.File // locked: its process lives
}

// BeginBackup waits until no prune is under way, and keeps others waiting until Saves or Close. waiting is called when
// there is one to wait for; it says who.
func BeginBackup(ctx context.Context, state string, waiting func(what string)) (*Backup, error) {
	gate, err := enter(ctx, state, hostfs.LockShared, func() { waiting("a prune is under way on this host") })
	if err != nil {
		return nil, err
	}
	return &Backup{state: state, gate: gate}, nil
}

// Saves says which items the backup saves, as KIND/NAME.
func (b *Backup) Saves(items []string) (err error) {
	dir := savingFolder(b.state)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("note what is saved: %w", err)
	}
	f, err := os.CreateTemp(dir, "backup-")
	if err != nil {
		return fmt.Errorf("note what is saved: %w", err)
	}
	b.items = f
	if err := hostfs.LockWaiting(f); err != nil {
		return fmt.Errorf("note what is saved: %w", err)
	}
	if _, err := f.WriteString(strings.Join(items, "\n") + "\n"); err != nil {
		return fmt.Errorf("note what is saved: %w", err)
	}
	return b.leaveGate()
}

func (b *Backup) leaveGate() error {
	gate := b.gate
	if b.gate = nil; gate == nil {
		return nil
	}
	return gate.Close()
}

// Close ends it. It may be called after an error of Saves.
func (b *Backup) Close() error {
	err := b.leaveGate()
	if b.items != nil {
		err = errors.Join(err, hostfs.RemoveLocked(b.items))
		b.items = nil
	}
	return err
}

func savingFolder(state string) string { return filepath.Join(state, "prune", "saving") }

// gateTime bounds how long a prune waits for a backup that finds out what to save.
const gateTime = 2 * time.Minute

// enter locks the gate between prunes and backups. wait is called when somebody else holds it.
func enter(ctx context.Context, state string, lock func(*os.File) error, wait func()) (*os.File, error) {
	f, err := openLock(state, "gate")
	if err != nil {
		return nil, err
	}
	for said := false; ; said = true {
		err := lock(f)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, hostfs.ErrLocked):
			return nil, errors.Join(err, f.Close())
		case ctx.Err() != nil:
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case !said:
			wait()
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// enterPrune keeps backups waiting until the file is closed.
func enterPrune(ctx context.Context, state string) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, gateTime, &BusyError{What: "a backup is finding out what to save", Path: filepath.Join(state, "prune", "gate")})
	defer cancel()
	return enter(ctx, state, hostfs.Lock, func() {})
}

// savedNow returns the items that backups are saving. What a backup left that was killed goes.
func savedNow(state string) (map[string]bool, error) {
	entries, err := os.ReadDir(savingFolder(state))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for backups: %w", err)
	}
	all := map[string]bool{}
	for _, e := range entries {
		if err := readSaving(filepath.Join(savingFolder(state), e.Name()), all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func readSaving(path string, all map[string]bool) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for backups: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	if hostfs.Lock(f) == nil {
		return os.Remove(path) // nobody lives who locked it
	}
	s := bufio.NewScanner(f)
	for s.Scan() {
		all[s.Text()] = true
	}
	return s.Err()
}

// saving tells whether a backup saves an object.
func saving(items map[string]bool, o *Object) bool {
	for _, name := range itemsOf(o) {
		if items[name] {
			return true
		}
	}
	return false
}
