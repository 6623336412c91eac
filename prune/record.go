package prune

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"davit/engine/hostfs"
)

// RecordFormat is the format of run records. The first ones have none.
const RecordFormat = 1

// Record is what one run did, line by line as it is in its file. A deed is written, and on the disk, before it is done.
type Record struct {
	Format   int       `json:"format"` // RecordFormat; a newer one is not read
	ID       string    `json:"id"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"` // zero: it runs, or was killed
	Host     string    `json:"host"`
	Engine   string    `json:"engine"` // id
	Policy   string    `json:"policy"`
	Archive  string    `json:"archive,omitempty"`  // repository
	Snapshot string    `json:"snapshot,omitempty"` // in it
	Expired  []string  `json:"expired,omitempty"`  // older archives of this host that went by their retention
	Deeds    []Deed    `json:"deeds"`
	Planned  int64     `json:"planned"`  // bytes of the plan
	Freed    int64     `json:"freed"`    // predicted bytes of what went
	Measured int64     `json:"measured"` // by which the disk's free bytes rose
	Seen     bool      `json:"seen"`     // Measured is known
}

// Deed is the removal of one object.
type Deed struct {
	Object   Object          `json:"object"`
	Raw      json.RawMessage `json:"raw,omitempty"` // the engine's document, from which it is made again
	Archived bool            `json:"archived,omitempty"`
	Bytes    int64           `json:"bytes"`
	Outcome  Outcome         `json:"outcome"`
	Reason   string          `json:"reason,omitempty"`
	Untagged []string        `json:"untagged,omitempty"` // images: names that went
	At       time.Time       `json:"at"`
}

// Outcome is what became of an object.
type Outcome string

// The outcomes.
const (
	Removed Outcome = "removed"
	Skipped Outcome = "skipped" // it changed since the plan was made
	Failed  Outcome = "failed"
	Begun   Outcome = "begun" // a killed run: perhaps removed
)

// line is one line of a record file.
type line struct {
	Begin *Record `json:"begin,omitempty"`
	Saved string  `json:"saved,omitempty"` // snapshot
	Deed  *Deed   `json:"deed,omitempty"`
	End   *Record `json:"end,omitempty"`
}

// journal writes a record.
type journal struct{ file *os.File }

func runsFolder(state string) string { return filepath.Join(state, "prune", "runs") }

func newRunID(now time.Time, rand io.Reader) (string, error) {
	var b [3]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("make a run id: %w", err)
	}
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:]), nil
}

func beginJournal(state string, r *Record) (*journal, error) {
	r.Format = RecordFormat
	dir := runsFolder(state)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder of runs: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, r.ID+".jsonl"), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create run record: %w", err)
	}
	j := &journal{file}
	if err := errors.Join(j.write(line{Begin: r}), syncFolder(dir)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// write appends a line and returns when it is on the disk.
func (j *journal) write(l line) error {
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode run record: %w", err)
	}
	if _, err := j.file.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write run record: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("write run record: %w", err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// History reads the records of all runs, newest first.
func History(state string) ([]Record, error) {
	paths, err := hostfs.Matching(runsFolder(state), "*.jsonl")
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var all []Record
	for _, path := range paths {
		r, err := readRecord(path)
		if err != nil {
			return nil, err
		}
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Record) int { return cmp.Or(b.Began.Compare(a.Began), cmp.Compare(b.ID, a.ID)) })
	return all, nil
}

// NoRunError says that no run is meant, or several.
type NoRunError struct {
	ID    string
	Among []string
}

func (e *NoRunError) Error() string {
	if len(e.Among) > 0 {
		return fmt.Sprintf("run %s may be %s", e.ID, strings.Join(e.Among, " or "))
	}
	return "no such run: " + e.ID
}

// FindRun reads the record of a run by its id, the beginning of it, or "latest".
func FindRun(state, id string) (*Record, error) {
	all, err := History(state)
	if err != nil {
		return nil, err
	}
	var found []Record
	for _, r := range all {
		if r.ID == id || id == "latest" {
			return &r, nil
		}
		if len(id) >= 4 && strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	if len(found) == 1 {
		return &found[0], nil
	}
	missing := &NoRunError{ID: id}
	for _, r := range found {
		missing.Among = append(missing.Among, r.ID)
	}
	return nil, missing
}

// readRecord puts the lines of a file together. The last may be cut off: its deed was not done yet.
func readRecord(path string) (*Record, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read run record: %w", err)
	}
	r := &Record{ID: strings.TrimSuffix(filepath.Base(path), ".jsonl")}
	if end := bytes.LastIndexByte(data, '\n'); end < len(data)-1 {
		data = data[:end+1]
	}
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, len(data)+1)
	for n := 1; s.Scan(); n++ {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("read run record %s:%d: %w", path, n, err)
		}
		if r.take(l); r.Format > RecordFormat {
			return nil, fmt.Errorf("read run record %s: format %d is newer than this davit knows (%d)", path, r.Format, RecordFormat)
		}
	}
	return r, s.Err()
}

func (r *Record) take(l line) {
	switch {
	case l.Begin != nil:
		*r = *l.Begin
	case l.Saved != "":
		r.Snapshot = l.Saved
	case l.Deed != nil:
		i := slices.IndexFunc(r.Deeds, func(d Deed) bool { return d.Object.Ref == l.Deed.Object.Ref })
		if i < 0 {
			r.Deeds = append(r.Deeds, *l.Deed)
			return
		}
		d := *l.Deed
		if d.Raw == nil {
			d.Raw = r.Deeds[i].Raw
		}
		r.Deeds[i] = d
	case l.End != nil:
		r.Ended, r.Freed, r.Measured, r.Seen, r.Expired = l.End.Ended, l.End.Freed, l.End.Measured, l.End.Seen, l.End.Expired
	}
}

// Count is how many deeds have an outcome.
func (r *Record) Count(o Outcome) int {
	n := 0
	for _, d := range r.Deeds {
		if d.Outcome == o {
			n++
		}
	}
	return n
}

// BusyError says that something else is at work that must end first.
type BusyError struct{ What, Path string }

func (e *BusyError) Error() string { return e.What + ": " + e.Path + " is locked" }

// lock keeps other prunes of this state out until the file is closed; it goes away with the process.
func lock(state string) (*os.File, error) {
	f, err := openLock(state, "lock")
	if err != nil {
		return nil, err
	}
	if err := hostfs.Lock(f); err != nil {
		if errors.Is(err, hostfs.ErrLocked) {
			err = &BusyError{"another prune is at work", f.Name()}
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func openLock(state, name string) (*os.File, error) {
	dir := filepath.Join(state, "prune")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	return f, nil
}
