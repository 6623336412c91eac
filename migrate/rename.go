package migrate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"davit/engine/hostfs"
	"davit/migrate/preflight"
)

// rename gives the roots their new names.
func (r *work) rename() error {
	r.state.Renamed = true
	if err := r.journal.save(); err != nil {
		return err
	}
	for _, s := range r.stores() {
		if err := renameRoot(s.From, s.To); err != nil {
			return err
		}
	}
	return nil
}

// renameBack gives the roots their old names, those that have new ones.
func (r *work) renameBack() error {
	for _, s := range r.stores() {
		if renamed(s) {
			if err := renameRoot(s.To, s.From); err != nil {
				return err
			}
		}
		if err := relocate(s.From, backwards(s), r.state.Plan.Survey.Engine.UserNS); err != nil {
			return err
		}
	}
	return nil
}

// renamed tells whether a root has its new name: the old one is then not there, or an empty folder that somebody made.
func renamed(s preflight.Store) bool {
	return empty(s.From) && !empty(s.To)
}

// empty tells whether a folder has nothing in it, or is not there.
func empty(path string) bool {
	entries, err := os.ReadDir(path)
	return errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0
}

// renameRoot renames durably; an empty folder in the way is removed.
func renameRoot(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o711); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if err := hostfs.RenameNew(from, to); err != nil {
		return err
	}
	return errors.Join(hostfs.SyncDir(filepath.Dir(to)), hostfs.SyncDir(filepath.Dir(from)))
}

// backwards is a store as it moves back.
func backwards(s preflight.Store) preflight.Store {
	s.From, s.To = s.To, s.From
	return s
}
