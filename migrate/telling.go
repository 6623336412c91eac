package migrate

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Standing is how far a worker is, as it tells those who attach to it.
type Standing struct {
	Part  int    `json:"part"` // counts the parts of the work
	Item  string `json:"item"`
	Done  int64  `json:"done"` // bytes, of all parts
	Total int64  `json:"total"`
	// Down is since when the containers are down; zero when they are not.
	Down time.Time `json:"down,omitzero"`
}

// Teller is the worker's Reporter: it writes what it is told into files, for [Attach]. A file that cannot be written
// costs those who watch their view, and nothing else.
type Teller struct {
	dir string
	now func() time.Time

	mu   sync.Mutex
	is   Standing
	said time.Time
	log  *os.File
}

// writeEvery is how often the standing is written.
const writeEvery = 250 * time.Millisecond

// NewTeller makes the Reporter of the worker of a state folder. The caller closes it.
func NewTeller(stateDir string, now func() time.Time) (*Teller, error) {
	if err := os.MkdirAll(Folder(stateDir), 0o700); err != nil {
		return nil, fmt.Errorf("make folder for the migration's journal: %w", err)
	}
	log, err := os.OpenFile(logPath(stateDir), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the migration's log: %w", err)
	}
	return &Teller{dir: Folder(stateDir), now: now, log: log}, nil
}

func logPath(stateDir string) string      { return filepath.Join(Folder(stateDir), "log") }
func standingPath(stateDir string) string { return filepath.Join(Folder(stateDir), "standing.json") }

// Close closes the log.
func (t *Teller) Close() error { return t.log.Close() }

// Start implements Reporter.
func (t *Teller) Start(bytes, _ int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.is.Part++
	t.is.Total = 0
	if bytes > 0 {
		t.is.Total = t.is.Done + bytes
	}
	t.write(true)
}

// Item implements Reporter.
func (t *Teller) Item(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	news := t.is.Item != name // the last word of a step that takes long
	t.is.Item = name
	t.write(news)
}

// Down implements Reporter.
func (t *Teller) Down(since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.is.Down = since
	t.write(true)
}

// Add implements Reporter.
func (t *Teller) Add(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.is.Done += bytes
	t.write(false)
}

// Say implements Reporter.
func (t *Teller) Say(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	data, err := json.Marshal(line)
	if err == nil {
		_, _ = t.log.Write(append(data, '\n'))
	}
}

func (t *Teller) write(now bool) {
	if at := t.now(); now || at.Sub(t.said) >= writeEvery {
		t.said = at
		data, err := json.Marshal(t.is)
		temp := filepath.Join(t.dir, ".standing")
		if err == nil && os.WriteFile(temp, data, 0o600) == nil {
			_ = os.Rename(temp, filepath.Join(t.dir, "standing.json"))
		}
	}
}

// clearTelling removes what an earlier worker told.
func clearTelling(stateDir string) error {
	for _, f := range []string{logPath(stateDir), standingPath(stateDir)} {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forget what the last worker said: %w", err)
		}
	}
	return nil
}

// listener follows what a worker tells.
type listener struct {
	stateDir string
	report   Reporter
	is       Standing
	read     int64 // of the log
}

// look passes on what is new.
func (l *listener) look() {
	l.lines()
	data, err := os.ReadFile(standingPath(l.stateDir))
	var s Standing
	if err != nil || json.Unmarshal(data, &s) != nil {
		return
	}
	if s.Part != l.is.Part || s.Total != l.is.Total {
		l.report.Start(s.Total, 0)
	}
	if s.Done > l.is.Done {
		l.report.Add(s.Done - l.is.Done)
	}
	l.report.Item(s.Item)
	l.report.Down(s.Down)
	l.is = s
}

func (l *listener) lines() {
	f, err := os.Open(logPath(l.stateDir))
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.Seek(l.read, io.SeekStart); err != nil {
		return
	}
	r := bufio.NewReader(f)
	for {
		raw, err := r.ReadString('\n')
		if err != nil { // the rest of a line comes later
			return
		}
		l.read += int64(len(raw))
		var line string
		if json.Unmarshal([]byte(raw), &line) == nil {
			l.report.Say(line)
		}
	}
}
