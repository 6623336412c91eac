package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
	"github.com/urfave/cli/v2"
)

// helpPages returns the help of every command that a user may see, by its name, "" for the first page.
func helpPages(t *testing.T) map[string]*invocation {
	t.Helper()
	h, pages := thisHost(), map[string]*invocation{}
	var visit func(path []string, commands []*cli.Command)
	visit = func(path []string, commands []*cli.Command) {
		inv, err := read(h.app(), append([]string{"help"}, path...))
		if err != nil {
			t.Fatal(err)
		}
		pages[strings.Join(path, " ")] = inv
		for _, c := range commands {
			if !c.Hidden {
				visit(append(path[:len(path):len(path)], c.Name), c.Subcommands)
			}
		}
	}
	visit(nil, h.app().Commands)
	return pages
}

func helpText(inv *invocation) string {
	var b bytes.Buffer
	writeHelp(&b, inv)
	return b.String()
}

// TestHelpFitsTheScreen shows that no help page has a line longer than 80 columns, and that pages fit on a screen of 24
// lines; the first page, groups of many commands and commands with many flags may take more than one.
func TestHelpFitsTheScreen(t *testing.T) {
	for name, inv := range helpPages(t) {
		text, flags := helpText(inv), 0
		if len(inv.path) > 0 {
			flags = len(inv.path[len(inv.path)-1].Flags)
		}
		checkScreen(t, "davit "+name, text, name == "" || flags > 7 || len(inv.commands()) > 12)
	}
	for _, topic := range helpTopics() {
		inv, err := read(thisHost().app(), []string{"help", topic.name})
		if err != nil {
			t.Fatal(err)
		}
		checkScreen(t, "davit help "+topic.name, helpText(inv), topic.name == "environment" || topic.name == "flags")
	}
}

func checkScreen(t *testing.T, name, text string, two bool) {
	t.Helper()
	for line := range strings.Lines(text) {
		if columns := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); columns > helpWidth {
			t.Errorf("%s: %d columns: %s", name, columns, line)
		}
	}
	most := 24
	if two {
		most = 54
	}
	if lines := strings.Count(text, "\n"); lines > most {
		t.Errorf("%s has %d lines, and may have %d", name, lines, most)
	}
}

// TestHelpShowsExamples shows that every command has two examples at least, and that each is a line that davit takes.
func TestHelpShowsExamples(t *testing.T) {
	for name, inv := range helpPages(t) {
		if len(inv.commands()) > 0 {
			continue // its commands have them
		}
		examples := 0
		for line := range strings.Lines(helpText(inv)) {
			line, is := strings.CutPrefix(strings.TrimSpace(line), "davit ")
			if !is || !strings.HasPrefix(line, name) {
				continue
			}
			examples++
			words := strings.Fields(strings.ReplaceAll(line, "'", ""))
			if i := slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w, "|>;&") && len(w) <= 2 }); i >= 0 {
				words = words[:i]
			}
			if _, err := read(thisHost().app(), words); err != nil {
				t.Errorf("davit %s: example %q: %v", name, line, err)
			}
		}
		if examples < 2 {
			t.Errorf("davit %s has %d examples, and needs two", name, examples)
		}
	}
}

// TestTyposAreAnswered takes a letter out of every command and every long flag: davit says which one was meant, and does
// nothing.
func TestTyposAreAnswered(t *testing.T) {
	for name, inv := range helpPages(t) {
		if words := strings.Fields(name); len(words) > 0 && len(words[len(words)-1]) > 4 {
			last := words[len(words)-1]
			words[len(words)-1] = last[:2] + last[3:]
			wantHint(t, words, `did you mean "`)
		}
		for _, f := range inv.path[max(0, len(inv.path)-1):] {
			for _, one := range f.Flags {
				if n := one.Names()[0]; len(n) > 4 {
					wantHint(t, append(strings.Fields(name), "--"+n[:2]+n[3:]), "did you mean --")
				}
			}
		}
	}
}

func wantHint(t *testing.T, words []string, hint string) {
	t.Helper()
	_, err := read(thisHost().app(), words)
	var usage *usageError
	if !errors.As(err, &usage) || !strings.HasPrefix(usage.hint, hint) {
		t.Errorf("davit %s: %v, hint %+v", strings.Join(words, " "), err, usage)
	}
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
