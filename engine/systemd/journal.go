package systemd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Line is one message in the journal.
type Line struct {
	Time     time.Time
	Message  string
	Priority int  // as in syslog: 0 emergency … 7 debug
	Manager  bool // the manager said it about the unit, not the unit itself
}

// Journal returns the last messages, at most n, of units and about them, the oldest first;
// none older than since unless that is zero. It runs journalctl, which knows how the
// journal of this host is stored.
func (c *Conn) Journal(ctx context.Context, since time.Time, n int, units ...string) ([]Line, error) {
	args := []string{"--no-pager", "--quiet", "--output=json", "--lines=" + strconv.Itoa(n)}
	if !since.IsZero() {
		args = append(args, fmt.Sprintf("--since=@%d.%06d", since.Unix(), since.Nanosecond()/1000))
	}
	flag := "--unit="
	if c.user {
		flag = "--user-unit="
	}
	for _, u := range units {
		args = append(args, flag+u)
	}
	cmd := exec.CommandContext(ctx, "journalctl", args...)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			err = errors.New(said)
		}
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	return parseJournal(out), nil
}

// entry is what is read of a journal entry in JSON.
type entry struct {
	Time     string  `json:"__REALTIME_TIMESTAMP"`
	Message  message `json:"MESSAGE"`
	Priority string  `json:"PRIORITY"`
	About    string  `json:"UNIT"`
	AboutOwn string  `json:"USER_UNIT"`
}

// message is a string, or the bytes of what is no UTF-8 or does not print.
type message string

// UnmarshalJSON reads either; a message too long for journalctl is null.
func (m *message) UnmarshalJSON(data []byte) error {
	var numbers []int
	if json.Unmarshal(data, (*string)(m)) == nil || json.Unmarshal(data, &numbers) != nil {
		return nil
	}
	raw := make([]byte, len(numbers))
	for i, n := range numbers {
		raw[i] = byte(n)
	}
	*m = message(raw)
	return nil
}

// parseJournal reads an object a line. What is none is left out.
func parseJournal(out []byte) []Line {
	var lines []Line
	for raw := range bytes.Lines(out) {
		var e entry
		if json.Unmarshal(raw, &e) != nil {
			continue
		}
		usec, _ := strconv.ParseInt(e.Time, 10, 64)
		priority, err := strconv.Atoi(e.Priority)
		if err != nil {
			priority = 6
		}
		lines = append(lines, Line{
			Time: time.UnixMicro(usec), Message: string(e.Message), Priority: priority,
			Manager: e.About != "" || e.AboutOwn != "",
		})
	}
	return lines
}
