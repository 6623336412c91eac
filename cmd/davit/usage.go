package main

import (
	"fmt"
	"strings"

	"davit/cmd/davit/dockercmd"
	"davit/engine/guard"
	"davit/migrate"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// usageError is a command line that cannot be meant; nothing was done.
type usageError struct {
	command string // "backup create"; "" for davit alone
	message string
	hint    string
	code    int
}

func (e *usageError) Error() string {
	if e.command == "" {
		return e.message
	}
	return e.command + ": " + e.message
}

// problem tells the two kinds of wrong usage apart that docker's commands answer with different codes.
type problem int

const (
	flagProblem problem = iota
	argumentProblem
)

// usageCode is 2 in our own groups; docker's commands answer as docker does.
func usageCode(docker bool, p problem) int {
	switch {
	case !docker:
		return exitUsage
	case p == flagProblem:
		return exitDockerUsage
	default:
		return exitFailed
	}
}

// docker reports whether the command is one of docker's. Davit alone counts as such.
func (inv *invocation) docker() bool { return len(inv.path) == 0 || isDocker(inv.path[0].Name) }

// isDocker reports whether the first word of a command line stands for what docker does with it.
func isDocker(first string) bool {
	switch first {
	case "backup", "engine", "migrate", "diskscan", "prune", "recover", "doctor", "config", guard.Subcommand, migrate.Subcommand:
		return false
	}
	return true
}

func (inv *invocation) usage(message, hint string, p problem) error {
	if hint == "" {
		hint = fmt.Sprintf("see %s --help", strings.TrimSpace("davit "+inv.name()))
	}
	return &usageError{command: inv.name(), message: message, hint: hint, code: usageCode(inv.docker(), p)}
}

func (inv *invocation) unknownCommand(word string) error {
	var names []string
	for _, c := range inv.commands() {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	if len(inv.path) == 0 && inv.help {
		names = append(names, topicNames()...)
	}
	if len(inv.path) == 0 {
		for _, g := range dockercmd.Groups() {
			names = append(names, g.Words...)
		}
	}
	hint := ""
	if near := nearest(word, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", strings.TrimSpace(inv.name()+" "+near))
	}
	return inv.usage(fmt.Sprintf("unknown command: %s", word), hint, argumentProblem)
}

func (inv *invocation) unknownFlag(flag string) error {
	name := strings.TrimLeft(flag, "-")
	hint := ""
	if owner := ownerOf(inv.commands(), name); owner != "" {
		hint = fmt.Sprintf("it belongs behind a command: davit %s %s", strings.TrimSpace(inv.name()+" "+owner), flag)
	} else if near := nearest(name, inv.longFlags()); near != "" {
		hint = fmt.Sprintf("did you mean --%s?", near)
	}
	return inv.usage("unknown flag: "+flag, hint, flagProblem)
}

func (inv *invocation) unknownShort(letter, word string) error {
	hint := ""
	name, _, _ := strings.Cut(word[1:], "=")
	if near := nearest(name, inv.longFlags()); near != "" && len(name) > 3 { // shorter ones may be meant as letters
		hint = fmt.Sprintf("did you mean --%s?", near)
	}
	return inv.usage(fmt.Sprintf("unknown shorthand flag: '%s' in %s", letter, word), hint, flagProblem)
}

// ownerOf returns the first command below that has the flag, as it is written.
func ownerOf(commands []*cli.Command, flag string) string {
	for _, c := range commands {
		if flagNamed(c.Flags, flag) != nil && !c.Hidden {
			return c.Name
		}
		if below := ownerOf(c.Subcommands, flag); below != "" {
			return c.Name + " " + below
		}
	}
	return ""
}

func (inv *invocation) longFlags() []string {
	names := []string{"help"}
	collect := func(flags []cli.Flag) {
		for _, f := range flags {
			for _, n := range f.Names() {
				if len(n) > 1 {
					names = append(names, n)
				}
			}
		}
	}
	collect(inv.app.Flags)
	for _, c := range inv.path {
		collect(c.Flags)
	}
	return names
}

// nearest returns the name that was probably meant: the beginning of one, or one with few letters changed.
func nearest(word string, names []string) string {
	best, bestDistance := "", 1+len(word)/3
	for _, name := range names {
		if len(word) >= 2 && strings.HasPrefix(name, word) {
			return name
		}
		if d := smetrics.WagnerFischer(word, name, 1, 1, 1); d <= bestDistance && d < len(name) {
			best, bestDistance = name, d-1
		}
	}
	return best
}
