package initscript

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"davit/engine/systemd"
)

func (m *Manager) log(unit string) string {
	return filepath.Join(m.root, "var/log", unit+".log")
}

// Journal returns the last lines of the log, at most n, the oldest first: when since is not zero, those that came after
// the last job began.
func (m *Manager) Journal(_ context.Context, since time.Time, n int, units ...string) ([]systemd.Line, error) {
	var lines []systemd.Line
	for _, unit := range units {
		file, err := os.Open(m.log(unit))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		some, err := m.lines(file, since)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		lines = append(lines, some...)
	}
	return lines[max(0, len(lines)-n):], nil
}

// stamped is how dockerd begins most lines of its log.
var stamped = regexp.MustCompile(`^time="?([^ "]+)"? level=`)

func (m *Manager) lines(file *os.File, since time.Time) ([]systemd.Line, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	length := int64(tailBytes)
	if !since.IsZero() && info.Size() >= m.logEnd { // a shorter one was begun anew
		length = min(length, info.Size()-m.logEnd)
	}
	text, err := readTail(file, length)
	if err != nil {
		return nil, err
	}
	var lines []systemd.Line
	at := info.ModTime()
	for line := range strings.Lines(text) {
		if found := stamped.FindStringSubmatch(line); found != nil {
			if t, err := time.Parse(time.RFC3339Nano, found[1]); err == nil {
				at = t
			}
		}
		lines = append(lines, systemd.Line{Time: at, Message: strings.TrimSpace(line), Priority: 6})
	}
	return lines, nil
}
