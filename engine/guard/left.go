package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Left names the containers that dead runs left frozen, as their journals say, without undoing anything. Runs that live,
// or that a guard is at work on, have left nothing. A state folder that does not exist holds nothing.
func Left(stateDir string) ([]string, error) {
	entries, err := os.ReadDir(stateDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list journals: %w", err)
	}
	var names []string
	var errs []error
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		more, err := leftIn(filepath.Join(stateDir, e.Name()))
		names, errs = append(names, more...), append(errs, err)
	}
	return names, errors.Join(errs...)
}

func leftIn(path string) (names []string, err error) {
	j, err := openJournal(path, time.Now)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
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
	for _, d := range t.outstanding() {
		names = append(names, d.target.Name)
	}
	return names, nil
}
