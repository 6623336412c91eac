package drill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"davit/engine/hostfs"
)

const (
	// keepReports is how many reports are kept, and of each job at least the newest that passed.
	keepReports = 500
	// maxReport bounds what is read of a report's file.
	maxReport = 64 << 20
)

// writeReport keeps a report in the state folder, under its id.
func writeReport(stateDir string, r *Report) error {
	if err := os.MkdirAll(folder(stateDir), 0o700); err != nil {
		return fmt.Errorf("write report of drill: %w", err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write report of drill: %w", err)
	}
	return hostfs.WriteFile(filepath.Join(folder(stateDir), r.ID+".json"), append(data, '\n'), 0o600)
}

// Reports reads the reports of a state folder, newest first. What cannot be read is left out and told by the error beside
// the list. Drills that were killed say so.
func Reports(stateDir string) ([]*Report, error) {
	paths, err := hostfs.Matching(folder(stateDir), "[^.]*.json")
	if err != nil {
		return nil, fmt.Errorf("read reports of drills: %w", err)
	}
	var list []*Report
	var errs []error
	for _, path := range slices.Backward(paths) {
		r, err := readReport(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("read report %s: %w", filepath.Base(path), err))
			continue
		}
		if r.Verdict == Running && !alive(stateDir, r.ID) {
			r.Verdict = Killed
		}
		list = append(list, r)
	}
	return list, errors.Join(errs...)
}

func readReport(path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReport))
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if r.Version > ReportVersion {
		return nil, errors.New("a newer davit wrote it")
	}
	return r, nil
}

// tidy drops the oldest reports.
func tidy(stateDir string) error {
	list, err := Reports(stateDir)
	errs := []error{err}
	good := map[string]bool{}
	for i, r := range list {
		newestGood := r.Proved() && !good[r.Job]
		good[r.Job] = good[r.Job] || r.Proved()
		if i >= keepReports && !newestGood {
			errs = append(errs, os.Remove(filepath.Join(folder(stateDir), r.ID+".json")))
		}
	}
	return errors.Join(errs...)
}
