package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// On other systems, commands that need Linux say so in one line with exit code 1, and nothing else is refused.
func TestElsewhere(t *testing.T) {
	const needs, here = " needs Linux, and this is macOS: run it on the machine of the engine", ""
	for line, want := range map[string]string{
		"engine status":                                       "engine" + needs,
		"engine start --json":                                 "engine" + needs,
		"migrate plan --to /mnt":                              "migrate" + needs,
		"diskscan logs":                                       "diskscan logs" + needs,
		"diskscan ./logs":                                     here,
		"backup drill":                                        "backup drill" + needs,
		"backup schedule install nightly":                     "backup schedule" + needs,
		"backup create --repo sftp://nas/b --path /etc":       "backup create --path" + needs,
		"backup restore latest:volume/a --to /tmp/a":          "backup restore --to" + needs,
		"backup restore latest:volume/a --in-place --repo /r": "backup restore --in-place" + needs,
		"backup restore latest:volume/a --to-volume b":        here,
		"backup create --repo sftp://nas/b --volume a":        here,
		"backup run nightly":                                  here,
		"diskscan .":                                          here,
		"prune plan":                                          here,
	} {
		h := thisHost()
		inv, err := read(h.app(), strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := inv.refusal("linux"); err != nil {
			t.Errorf("%s on Linux: %v", line, err)
		}
		refused := inv.refusal("darwin")
		if (refused == nil) != (want == here) || refused != nil && refused.Error() != want {
			t.Errorf("%s: %v, want %q", line, refused, want)
			continue
		}
		if refused != nil {
			h.goos = "darwin"
			if f := explain(t.Context(), h.carryOut(t.Context(), inv, nil)); f != (failure{message: want, code: exitFailed}) {
				t.Errorf("%s: %+v", line, f)
			}
		}
	}
}

// Every name in the table is a command, and every flag one of it: a command that gets another name does not slip through.
func TestElsewhereTable(t *testing.T) {
	for name, flags := range needingLinux() {
		commands, at := thisHost().app().Commands, (*cli.Command)(nil)
		for word := range strings.FieldsSeq(name) {
			if at != nil && len(commands) == 0 {
				break // an argument
			}
			at = nil
			for _, c := range commands {
				if c.HasName(word) {
					at, commands = c, c.Subcommands
				}
			}
		}
		if at == nil {
			t.Errorf("there is no command %q", name)
			continue
		}
		for _, flag := range flags {
			if flagNamed(at.Flags, flag) == nil {
				t.Errorf("%s has no flag --%s", name, flag)
			}
		}
	}
}

// Help is there for all commands on all systems.
func TestElsewhereHelp(t *testing.T) {
	h := thisHost()
	h.goos = "windows"
	var out strings.Builder
	h.out = &out
	inv, err := read(h.app(), []string{"migrate", "--help"})
	if err := errors.Join(err, h.carryOut(context.Background(), inv, err)); err != nil || !strings.Contains(out.String(), "davit migrate") {
		t.Errorf("%v, %q", err, out.String())
	}
}
