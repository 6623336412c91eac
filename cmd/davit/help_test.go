package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
	"github.com/urfave/cli/v2"
)

// TestHelpFitsTheScreen shows that no help page has a line longer than 80 columns, and that the first page fits on two
// screens.
func TestHelpFitsTheScreen(t *testing.T) {
	h := thisHost()
	var visit func(path []string, commands []*cli.Command)
	visit = func(path []string, commands []*cli.Command) {
		inv, err := read(h.app(), append([]string{"help"}, path...))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		writeHelp(&b, inv)
		for line := range strings.Lines(b.String()) {
			if columns := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); columns > helpWidth {
				t.Errorf("%v: %d columns: %s", path, columns, line)
			}
		}
		if lines := strings.Count(b.String(), "\n"); len(path) == 0 && lines > 48 {
			t.Errorf("the first page has %d lines", lines)
		}
		for _, c := range commands {
			if !c.Hidden {
				visit(append(path[:len(path):len(path)], c.Name), c.Subcommands)
			}
		}
	}
	visit(nil, h.app().Commands)
}

// TestDefaultPaths shows root's folders, and everybody else's by the XDG rules: relative variables do not count.
func TestDefaultPaths(t *testing.T) {
	env := map[string]string{"HOME": "/home/u", "XDG_CACHE_HOME": "/cache", "XDG_STATE_HOME": "relative"}
	getenv := func(name string) string { return env[name] }
	if got, want := defaultPaths(getenv, 0), (paths{state: "/var/lib/davit", cache: "/var/cache/davit"}); got != want {
		t.Errorf("root: %v", got)
	}
	if got, want := defaultPaths(getenv, 1000), (paths{state: "/home/u/.local/state/davit", cache: "/cache/davit"}); got != want {
		t.Errorf("user: %v", got)
	}
}
