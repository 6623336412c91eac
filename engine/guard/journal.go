package guard

import (
	"bytes"
	"crypto/rand"
	"davit/engine/hostfs"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// suffix of journal files in the state folder.
const suffix = ".jsonl"

// journal is an open journal file. Owner and guard append to the same file; each record
// is one write of whole lines, so records do not mix.
type journal struct {
	path string
	f    *os.File
	now  func() time.Time

	mu   sync.Mutex
	torn bool // the file may end within a line
}

// createJournal makes a journal that holds head and is locked by this process. The file
// gets its name only when it is complete, so that nobody takes it for abandoned.
func createJournal(dir, run string, head record, now func() time.Time) (_ *journal, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	path := filepath.Join(dir, run+suffix)
	fail := func(err error) (*journal, error) { return nil, fmt.Errorf("create journal %s: %w", path, err) }
	f, err := os.OpenFile(filepath.Join(dir, run+".new-"+rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	defer func() {
		err = errors.Join(err, os.Remove(f.Name()))
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	j := &journal{path: path, f: f, now: now}
	if err := hostfs.Lock(f); err != nil {
		return fail(err)
	}
	if err := j.append(true, head); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return fail(err)
	}
	if err := syncDir(dir); err != nil {
		return fail(err)
	}
	return j, nil
}

// openJournal opens an existing journal of another process, without locking it.
func openJournal(path string, now func() time.Time) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|noFollow, 0)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return &journal{path: path, f: f, now: now, torn: true}, nil
}

// append writes records in one write; with sync they are on disk when it returns.
func (j *journal) append(sync bool, records ...record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var buf bytes.Buffer
	if j.torn {
		buf.WriteByte('\n') // empty lines are skipped
	}
	enc := json.NewEncoder(&buf)
	for _, r := range records {
		r.V, r.Time = version, j.now().UTC()
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("write journal %s: %w", j.path, err)
		}
	}
	_, err := j.f.Write(buf.Bytes())
	j.torn = err != nil
	if err == nil && sync {
		err = j.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("write journal %s: %w", j.path, err)
	}
	return nil
}

// linked tells whether the journal's name still leads to this file.
func (j *journal) linked() bool {
	mine, err := j.f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(j.path)
	return err == nil && os.SameFile(mine, there)
}

// remove deletes the journal; only the holder of the lock may.
func (j *journal) remove() error {
	if !j.linked() {
		return nil
	}
	if err := os.Remove(j.path); err != nil {
		return fmt.Errorf("remove journal: %w", err)
	}
	return nil
}

// close lets go of the file and of its lock.
func (j *journal) close() error { return j.f.Close() }

// tail reads a journal that grows, and sums it up.
type tail struct {
	j   *journal
	off int64
	ledger
}

// read takes in all complete lines that are new.
func (t *tail) read() error {
	b, err := io.ReadAll(io.NewSectionReader(t.j.f, t.off, 1<<40))
	if err != nil {
		return fmt.Errorf("read journal %s: %w", t.j.path, err)
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	t.off += int64(end)
	for line := range bytes.Lines(b[:end]) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.damaged++ // never fsynced whole, so its deed was never done
			continue
		}
		t.add(r, time.Now())
	}
	if t.newer > 0 {
		return &NewerJournalError{Path: t.j.path, Version: t.newer}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
