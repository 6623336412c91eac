package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"davit/engine/hostfs"
)

const (
	// keepRecords is how many records a history keeps, and of each job at least the newest good one.
	keepRecords = 1000
	// maxRecordFile bounds what is read of a record's file.
	maxRecordFile = 1 << 20
)

// History is the records of the runs of one state folder.
type History struct{ dir string }

// OpenHistory returns the history in a state folder; nothing is made until a record is written.
func OpenHistory(stateDir string) *History {
	return &History{dir: filepath.Join(stateDir, "jobs", "runs")}
}

// List returns the records, newest first. What cannot be read is left out and told by err beside the list.
// Records of runs that were killed say so.
func (h *History) List() (list []*Record, err error) {
	paths, err := hostfs.Matching(h.dir, "[^.]*.json")
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	running := lockHeld(h.dir)
	var errs []error
	for _, path := range slices.Backward(paths) {
		r, err := readRecord(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if r.Result == ResultRunning && !running {
			r.Result = ResultKilled
		}
		list = append(list, r)
	}
	return list, errors.Join(errs...)
}

func readRecord(path string) (*Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	name := filepath.Base(path)
	data, err := io.ReadAll(io.LimitReader(f, maxRecordFile))
	if err != nil {
		return nil, fmt.Errorf("read record %s: %w", name, err)
	}
	r := &Record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read record %s: %w", name, err)
	}
	if r.Version > RecordVersion {
		return nil, fmt.Errorf("read record %s: a newer davit wrote it", name)
	}
	return r, nil
}

// write puts a record in place, under its id.
func (h *History) write(r *Record) error {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return hostfs.WriteFile(filepath.Join(h.dir, r.ID+".json"), append(data, '\n'), 0o600)
}

// tidy marks runs that were killed, and drops the oldest records. The caller holds the lock, so no run but
// the current one is alive.
func (h *History) tidy(current string) error {
	list, err := h.List()
	var errs []error
	good := map[string]bool{}
	for i, r := range list {
		if r.Result == ResultRunning && r.ID != current {
			r.Result = ResultKilled
			errs = append(errs, h.write(r))
		}
		newestGood := r.Good() && !good[r.Job]
		good[r.Job] = good[r.Job] || r.Good()
		if i >= keepRecords && !newestGood {
			errs = append(errs, os.Remove(filepath.Join(h.dir, r.ID+".json")))
		}
	}
	return errors.Join(append(errs, err)...)
}

// recordID names a run: it sorts by time, and two of one second differ.
func recordID(began time.Time, job, random string) string {
	return began.UTC().Format("20060102T150405.000Z") + "-" + job + "-" + random
}
