package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// programOf returns how a command line is typed: with davit where davit has the command, else with docker, of which
// the words are the same.
func (h *host) programOf() func(words []string) string {
	commands := h.app().Commands
	return func(words []string) string {
		program := "docker"
		if hasCommand(commands, words) {
			program = "davit"
		}
		return program + " " + shellLine(words)
	}
}

func hasCommand(commands []*cli.Command, words []string) bool {
	if len(words) == 0 {
		return false
	}
	c := commandNamed(commands, words[0])
	return c != nil && (len(c.Subcommands) == 0 || hasCommand(c.Subcommands, words[1:]))
}

// shellLine writes words so that a shell reads them as they are.
func shellLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@,+%") != "" {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
