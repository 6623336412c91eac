package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/diskscan"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"
	"github.com/rivo/uniseg"
)

// makeStore makes a data-root whose engine is gone.
func makeStore(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	makeStoreIn(t, root)
	return root
}

func makeStoreIn(t *testing.T, root string) {
	t.Helper()
	id := strings.Repeat("ab", 32)
	for path, content := range map[string]string{
		"containers/" + id + "/config.v2.json": `{"ID":"` + id + `","Name":"/evil\u001b[31m\n","Image":"sha256:0",` +
			`"State":{"StartedAt":"2026-01-01T00:00:00Z"},"MountPoints":{"/d":{"Type":"volume","Name":"data"}}}`,
		"containers/" + id + "/" + id + "-json.log": strings.Repeat("x", 90_000),
		"volumes/data/_data/large/file":             strings.Repeat("v", 400_000),
		"volumes/data/_data/\x1b]0;owned\a\nx":      strings.Repeat("v", 20_000),
		"volumes/free/_data/file":                   strings.Repeat("v", 200_000),
		"image/overlay2/repositories.json":          `{"Repositories":{}}`,
		"network/files/x":                           "",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func browserOf(t *testing.T, path string) *browser {
	t.Helper()
	s := &diskscan.Survey{Paths: []string{path}, Now: time.Now}
	r := s.Start()
	s.Attribute(t.Context(), r)
	if err := s.Scan(t.Context(), r, diskscan.ScanOptions{Tree: true}); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(r, 80)
	b.width = 200 // whatever the temporary folder is called
	return b
}

// keys presses keys by their names, other words letter by letter.
func (b *browser) keys(names ...string) {
	special := map[string]rune{"enter": tea.KeyEnter, "left": tea.KeyLeft, "down": tea.KeyDown, "up": tea.KeyUp, "end": tea.KeyEnd,
		"tab": tea.KeyTab, "esc": tea.KeyEscape, "space": tea.KeySpace, "pgdown": tea.KeyPgDown}
	for _, name := range names {
		if code, ok := special[name]; ok {
			b.Update(tea.KeyPressMsg{Code: code})
			continue
		}
		for _, r := range name {
			b.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
}

func (b *browser) shows(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(b.screen(), text) {
			t.Errorf("%q is not on the screen\n%s", text, b.screen())
		}
	}
}

// One looks into owners and folders and back, sorts, filters and marks; the cursor stays on the list.
func TestBrowser(t *testing.T) {
	root := makeStore(t)
	b := browserOf(t, root)
	first := func() string { return b.now().shown[0].title }
	if !strings.HasPrefix(first(), "volume data (used) used by evil") {
		t.Errorf("the first owner is %q", first())
	}
	b.keys("enter")
	b.shows(t, "owners > ", "volumes/data/_data/")
	b.keys("enter", "enter")
	b.shows(t, "/large  (1, by size)", "file")
	b.keys("enter") // a file has nothing below
	b.keys("left", "down", "up", "up", "end", "pgdown", "down")
	b.shows(t, `\x1b]0;owned\a\nx`)
	b.keys("left", "left", "left", "left")
	b.shows(t, "owners  (")

	b.keys("/", "FREE")
	b.shows(t, "filter: FREE_", "owners  (1, by size)")
	b.keys("enter", "space", "esc")
	b.shows(t, "1 marked", "*")
	b.keys("/", "metadata", "enter", "space")
	b.shows(t, "engine: davit prune removes images")
	b.keys("esc", "s", "s")
	b.shows(t, "by name")
	if !strings.HasPrefix(first(), "container") {
		t.Errorf("the first by name is %q", first())
	}
	b.keys("tab")
	b.shows(t, "folders  (1, by name)", root)
	b.keys("enter", "s")
	b.shows(t, "by age")
	b.keys("?")
	b.shows(t, "Nothing is removed here")
	b.keys("x", "/", "volumes", "enter", "enter")
	b.shows(t, "data/", "free/")
	b.keys("/", "data", "enter", "space", "space") // the second line is none: the mark goes again
	if len(b.chosen()) != 1 {
		t.Errorf("chosen %v", b.chosen())
	}
}

// Whatever names hold and however small the screen is: each line is one line that fits, without colours.
func TestBrowserFits(t *testing.T) {
	b := browserOf(t, makeStore(t))
	for _, size := range [][2]int{{80, 24}, {200, 50}, {30, 6}, {10, 3}, {3, 1}, {1, 1}} {
		b.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for _, keys := range []string{"enter", "enter", "down", "left", "left", "?", "x", "/", "evil", "esc", "tab", "tab"} {
			b.keys(keys)
			lines := strings.Split(b.screen(), "\n")
			if len(lines) > size[1] {
				t.Errorf("%v: %d lines", size, len(lines))
			}
			for _, line := range lines {
				text := strings.ReplaceAll(strings.ReplaceAll(line, reverse, ""), plain, "")
				if uniseg.StringWidth(text) > max(size[0], 1) || strings.ContainsAny(text, "\x1b\a\r") {
					t.Errorf("%v: line %q", size, line)
				}
			}
		}
	}
}

// startOn runs the real program on a terminal of its own.
func startOn(t *testing.T, rows, columns uint16, args ...string) (x *terminal) {
	t.Helper()
	cmd := exec.Command("davit", args...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=1", "DAVIT_STATE_DIR="+t.TempDir())
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	x = &terminal{t: t, text: cmd.String(), pty: f, cmd: cmd, done: make(chan struct{})}
	go x.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = f.Close()
	})
	return x
}

// On a real terminal keys mark, and the end shows the plan's command with a policy; q shows none. The terminal is left
// as it was, and nothing was removed.
func TestBrowserOnTerminal(t *testing.T) {
	root := makeStore(t)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	for _, run := range []struct {
		rows, columns uint16
		keys, want    string
		args          []string
		code          int
	}{
		{24, 80, "/free\r p", `name: ["free"]`, nil, 0},
		{6, 30, "/log evil\r p", `name: ["evil\x1b\\[31m\n"]`, nil, 0},
		{24, 80, "j p", "davit prune plan --policy " + policy, []string{"--marked", policy}, 0},
		{24, 80, " q", "", nil, 0},
		{24, 80, "\x03", "", nil, 130},
	} {
		t.Run(fmt.Sprintf("%q", run.keys), func(t *testing.T) {
			x := startOn(t, run.rows, run.columns, append(append([]string{"diskscan", "--offline", "-i"}, run.args...), root)...)
			x.expect("owners  (")
			for _, key := range run.keys {
				x.send(string(key))
			}
			if code := x.code(); code != run.code {
				t.Errorf("exit code %d: %q", code, x.screen())
			}
			_, after, ok := strings.Cut(x.screen(), "\x1b[?1049l")
			if !ok {
				t.Fatalf("the terminal is not left as it was: %q", x.screen())
			}
			if hasPlan := strings.Contains(after, "prune plan"); !strings.Contains(after, run.want) || hasPlan != (run.want != "") {
				t.Errorf("want %q in %q", run.want, after)
			}
			if strings.Contains(x.screen(), "\x1b]0;owned") || strings.Contains(x.screen(), "\x1b[31m") {
				t.Error("a name reached the terminal")
			}
		})
	}
	if text, err := os.ReadFile(policy); err != nil || !strings.Contains(string(text), "kind: volume") {
		t.Errorf("policy %s: %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(root, "volumes/free/_data/file")); err != nil {
		t.Error(err)
	}
}
