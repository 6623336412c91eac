package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Alive names the runs whose owner lives, or whose containers are being thawed: they may have containers frozen, or be
// about to. A state folder that does not exist holds none.
func Alive(stateDir string) ([]string, error) {
	entries, err := os.ReadDir(stateDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list journals: %w", err)
	}
	var runs []string
	var errs []error
	for _, e := range entries {
		run, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		alive, err := locked(filepath.Join(stateDir, e.Name()))
		if alive {
			runs = append(runs, run)
		}
		errs = append(errs, err)
	}
	return runs, errors.Join(errs...)
}

// locked tells whether somebody holds the lock of a journal.
func locked(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open journal: %w", err)
	}
	defer f.Close()
	free, err := takeLock(f)
	return !free && err == nil, err
}
