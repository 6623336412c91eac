package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// said runs davit as a program with a standard error of its own and returns what it said.
func said(t *testing.T, env func(*os.File) []string, args ...string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(program, args...)
	cmd.Args[0] = "davit"
	cmd.Stderr = f
	cmd.Env = append(os.Environ(), "DAVIT_STATE_DIR="+t.TempDir(), "DAVIT_CACHE_DIR="+t.TempDir())
	cmd.Env = append(cmd.Env, env(f)...)
	_ = cmd.Run() // most of these fail, and say so
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func noEnv(*os.File) []string { return nil }

// journalOf is what systemd says to a unit whose standard error is f.
func journalOf(f *os.File) []string {
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	st := info.Sys().(*syscall.Stat_t)
	return []string{fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino)}
}

// TestJournalPriorities shows that a unit's lines have the priorities that the journal reads, with the run in each; and
// that a variable which only was inherited means nothing.
func TestJournalPriorities(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	text := said(t, journalOf, "backup", "ls", "--repo", none, "-v")
	line := regexp.MustCompile(`^<[3467]>run=[0-9a-f]{16} .`)
	runs := map[string]bool{}
	for l := range strings.Lines(text) {
		if !line.MatchString(l) {
			t.Errorf("not for the journal: %q", l)
			continue
		}
		runs[l[3:23]] = true
	}
	if len(runs) != 1 || !strings.Contains(text, "<3>") || !strings.Contains(text, "<7>") {
		t.Errorf("%d runs in\n%s", len(runs), text)
	}
	inherited := func(*os.File) []string { return []string{"JOURNAL_STREAM=8:12345"} }
	if text := said(t, inherited, "backup", "ls", "--repo", none); strings.Contains(text, "<") {
		t.Errorf("a file is no journal:\n%s", text)
	}
}

// TestLogFormats shows the flags and the variable: quiet says only what is wrong, JSON is JSON in every line.
func TestLogFormats(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	asJSON := func(*os.File) []string { return []string{"DAVIT_LOG_FORMAT=json"} }
	text := said(t, asJSON, "backup", "ls", "--repo", none, "-v")
	levels := map[string]int{}
	for l := range bytes.Lines([]byte(text)) {
		var r struct{ Time, Level, Msg, Run string }
		if err := json.Unmarshal(l, &r); err != nil || r.Time == "" || r.Msg == "" || len(r.Run) != 16 {
			t.Errorf("%v: %s", err, l)
		}
		levels[r.Level]++
	}
	if levels["error"] != 2 || levels["debug"] < 2 {
		t.Errorf("levels %v in\n%s", levels, text)
	}
	if text := said(t, noEnv, "backup", "ls", "--repo", none, "-q", "--log-format=text"); strings.Count(text, " error run=") != 2 || strings.Count(text, "\n") != 2 {
		t.Errorf("quiet: %s", text)
	}
	if text := said(t, noEnv, "recover", "--log-format", "xml"); !strings.HasPrefix(text, "davit: recover: unknown value for --log-format: xml\nhint: ") {
		t.Errorf("an unknown format: %s", text)
	}
}
