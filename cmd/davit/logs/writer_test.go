package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func at() time.Time { return time.Date(2026, 11, 23, 3, 30, 0, 0, time.FixedZone("CET", 3600)) }

const said = "saving 2 volumes\nwarning: no room\ndavit: open repository: locked\nhint: wait\ndebug: engine 28.5\n\nlast"

func written(t *testing.T, o Options, text string) string {
	t.Helper()
	var b bytes.Buffer
	o.Run, o.Now = "a1", at
	w := New(&b, o)
	for _, c := range []byte(text) { // however it is cut
		if _, err := w.Write([]byte{c}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFormats(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{Format: Plain}, "saving 2 volumes\nwarning: no room\ndavit: open repository: locked\nhint: wait\nlast\n"},
		{Options{Format: Plain, Level: slog.LevelWarn}, "warning: no room\ndavit: open repository: locked\nhint: wait\n"},
		{Options{Format: Journal, Level: slog.LevelDebug}, "<6>run=a1 saving 2 volumes\n<4>run=a1 warning: no room\n" +
			"<3>run=a1 davit: open repository: locked\n<3>run=a1 hint: wait\n<7>run=a1 engine 28.5\n<6>run=a1 last\n"},
		{Options{Format: Text, Level: slog.LevelError}, "2026-11-23T02:30:00Z error run=a1 davit: open repository: locked\n" +
			"2026-11-23T02:30:00Z error run=a1 hint: wait\n"},
		{Options{Format: JSON, Level: slog.LevelWarn}, `{"time":"2026-11-23T02:30:00Z","level":"warning","msg":"warning: no room","run":"a1"}
{"time":"2026-11-23T02:30:00Z","level":"error","msg":"davit: open repository: locked","run":"a1"}
{"time":"2026-11-23T02:30:00Z","level":"error","msg":"hint: wait","run":"a1"}
`},
	} {
		if got := written(t, test.o, said); got != test.want {
			t.Errorf("%s from %v:\n%swant\n%s", test.o.Format, test.o.Level, got, test.want)
		}
	}
}

// TestProgressInJSON shows that what is JSON already stays data.
func TestProgressInJSON(t *testing.T) {
	var r struct {
		Run  string `json:"run"`
		Data struct {
			Done int `json:"bytes_done"`
		} `json:"data"`
	}
	line := written(t, Options{Format: JSON}, `{"type":"progress","bytes_done":7}`+"\n")
	if err := json.Unmarshal([]byte(line), &r); err != nil || r.Run != "a1" || r.Data.Done != 7 {
		t.Errorf("%v: %s", err, line)
	}
}

// TestLinesStayLines shows that several goroutines cannot cut each other's lines, and that a full disk is not hidden.
func TestLinesStayLines(t *testing.T) {
	var b bytes.Buffer
	w := New(&b, Options{Format: Text, Run: "r", Now: at})
	var all sync.WaitGroup
	for i := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 50 {
				_, _ = fmt.Fprintf(w, "line of %d\n", i)
			}
		}()
	}
	all.Wait()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "2026-11-23T02:30:00Z info run=r line of ") {
			t.Fatalf("a line was cut: %q", line)
		}
	}
	if len(lines) != 400 {
		t.Errorf("%d lines, want 400", len(lines))
	}
	full := New(failing{}, Options{Format: Text, Now: at})
	if _, err := io.WriteString(full, "x\n"); err == nil {
		t.Error("a write error was lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
