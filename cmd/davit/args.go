package main

import (
	"fmt"
	"strings"

	"davit/engine/guard"

	"github.com/urfave/cli/v2"
)

// invocation is a command line that has been read: the command it names and its words in the one order that the
// command-line library understands (each flag directly behind the command that owns it, the rest behind "--").
type invocation struct {
	app  *cli.App
	path []*cli.Command // from the first word down; empty for davit alone
	help bool           // help for path was asked for; nothing is to be run

	topic *helpTopic // the page that was asked for, of those that belong to no command

	flags [][]string  // flags[0] are the global ones, flags[i] those of path[i-1]
	early []earlyFlag // stood before the command that owns them
	rest  []string    // the arguments
}

// earlyFlag is a flag between a group and its command, as in "davit backup --repo DIR ls".
type earlyFlag struct{ name, value string }

// read arranges the words of a command line (without the program's name), so that flags may stand anywhere.
//
// The library stops reading flags at the first argument and takes the rest for arguments without a word:
// "davit backup restore latest --dry-run" would restore. So this is the only place where a command line is read.
// After the image or container of run, create, exec, top and commit all words belong to the container.
func read(app *cli.App, words []string) (*invocation, error) {
	inv := &invocation{app: app, flags: make([][]string, 1)}
	for i := 0; i < len(words); {
		word := words[i]
		switch {
		case word == "--":
			return inv, inv.arguments(words[i+1:])
		case strings.HasPrefix(word, "--"):
			n, err := inv.long(words[i:])
			if err != nil {
				return inv, err
			}
			i += n
		case strings.HasPrefix(word, "-") && word != "-":
			n, err := inv.short(words[i:])
			if err != nil {
				return inv, err
			}
			i += n
		default:
			if err := inv.arguments(words[i : i+1]); err != nil {
				return inv, err
			}
			i++
			if inv.passesThrough() {
				inv.rest = append(inv.rest, words[i:]...)
				return inv, nil
			}
		}
	}
	return inv, nil
}

// args returns the words for the library, the program's name first.
func (inv *invocation) args() []string {
	args := append([]string{inv.app.Name}, inv.flags[0]...)
	for i, c := range inv.path {
		args = append(args, c.Name)
		args = append(args, inv.flags[i+1]...)
	}
	return append(append(args, "--"), inv.rest...)
}

// name returns the command as it is written: "backup create"; "" for davit alone.
func (inv *invocation) name() string {
	names := make([]string, len(inv.path))
	for i, c := range inv.path {
		names[i] = c.Name
	}
	return strings.Join(names, " ")
}

// commands returns what may follow the words read so far; none when a whole command has been read.
func (inv *invocation) commands() []*cli.Command {
	if len(inv.path) == 0 {
		return inv.app.Commands
	}
	return inv.path[len(inv.path)-1].Subcommands
}

// passesThrough reports whether all further words belong to the container, or to the guard, which reads them itself.
func (inv *invocation) passesThrough() bool {
	name := inv.name()
	if name == guard.Subcommand {
		return true
	}
	if len(inv.rest) == 0 {
		return false
	}
	switch name {
	case "run", "create", "exec", "top", "commit",
		"container run", "container create", "container exec", "container top", "container commit":
		return true
	}
	return false
}

// arguments takes words that are not flags: names of commands first, then the command's arguments.
func (inv *invocation) arguments(words []string) error {
	for i, word := range words {
		next := inv.commands()
		if len(next) == 0 {
			inv.rest = append(inv.rest, words[i:]...)
			return nil
		}
		if word == "help" {
			inv.help = true
			continue
		}
		c := commandNamed(next, word)
		if t := topicNamed(word); c == nil && inv.help && len(inv.path) == 0 && t != nil {
			inv.topic = t
			continue
		}
		if c == nil {
			return inv.unknownCommand(word)
		}
		if err := inv.enter(c); err != nil {
			return err
		}
	}
	return nil
}

// enter takes a command and gives it the flags that stood before it.
func (inv *invocation) enter(c *cli.Command) error {
	inv.path = append(inv.path, c)
	inv.flags = append(inv.flags, nil)
	if len(c.Subcommands) > 0 {
		return nil
	}
	for _, early := range inv.early {
		f := flagNamed(c.Flags, early.name)
		if f == nil {
			return inv.unknownFlag(dashed(early.name))
		}
		inv.set(len(inv.path), f, early.value)
	}
	inv.early = nil
	return nil
}

func commandNamed(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// long takes "--name", "--name=value" or "--name value" and returns how many words that were.
func (inv *invocation) long(words []string) (int, error) {
	name, value, hasValue := strings.Cut(words[0][2:], "=")
	f, level := inv.flag(name)
	switch {
	case f == nil && name == "help":
		inv.help = true
		return 1, nil
	case f == nil:
		return 0, inv.unknownFlag("--" + name)
	case !takesValue(f) && !hasValue:
		inv.set(level, f, "true")
		return 1, nil
	case hasValue:
		inv.set(level, f, value)
		return 1, nil
	}
	value, err := inv.valueOf("--"+name, words)
	if err != nil {
		return 0, err
	}
	inv.set(level, f, value)
	return 2, nil
}

// short takes "-i", "-it", "-itd", "-p8080:80", "-uroot", "-p 8080:80" or "-p=8080:80" and returns how many words
// that were.
func (inv *invocation) short(words []string) (int, error) {
	group := words[0][1:]
	if err := inv.oneDash(group); err != nil {
		return 0, err
	}
	for len(group) > 0 {
		letter := firstRune(group)
		group = group[len(letter):]
		f, level := inv.flag(letter)
		switch {
		case f == nil && letter == "h":
			inv.help = true
		case f == nil:
			return 0, inv.unknownShort(letter, words[0])
		case strings.HasPrefix(group, "=") && len(group) > 1:
			inv.set(level, f, group[1:])
			return 1, nil
		case !takesValue(f):
			inv.set(level, f, "true")
		case group != "":
			inv.set(level, f, group)
			return 1, nil
		default:
			value, err := inv.valueOf("-"+letter, words)
			if err != nil {
				return 0, err
			}
			inv.set(level, f, value)
			return 2, nil
		}
	}
	return 1, nil
}

// oneDash refuses "-repo DIR" in our own commands: read as docker reads it, that is a repository named "epo".
func (inv *invocation) oneDash(group string) error {
	name, _, _ := strings.Cut(group, "=")
	if f, _ := inv.flag(name); len(name) < 2 || f == nil || inv.docker() {
		return nil
	}
	return inv.usage("unknown flag: -"+name, fmt.Sprintf("did you mean --%s?", name), flagProblem)
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// valueOf returns the word after a flag. It may look like a flag ("--tail -1"), but in our own commands it cannot be
// one that the command has: "--repo --dry-run" is a forgotten value, and taking it would run what should only be shown.
func (inv *invocation) valueOf(flag string, words []string) (string, error) {
	if len(words) < 2 {
		return "", inv.usage(fmt.Sprintf("flag needs a value: %s", flag), "", flagProblem)
	}
	value := words[1]
	if name, isLong := strings.CutPrefix(value, "--"); isLong && !inv.docker() {
		name, _, _ = strings.Cut(name, "=")
		if f, _ := inv.flag(name); f != nil || name == "help" {
			return "", inv.usage(fmt.Sprintf("flag needs a value: %s", flag),
				fmt.Sprintf("if %s is really meant as the value, write %s=%s", value, flag, value), flagProblem)
		}
	}
	return value, nil
}

// set records a flag under its first name: the library refuses a line that uses two names of one flag.
func (inv *invocation) set(level int, f cli.Flag, value string) {
	if level > len(inv.path) {
		inv.early = append(inv.early, earlyFlag{name: f.Names()[0], value: value})
		return
	}
	inv.flags[level] = append(inv.flags[level], "--"+f.Names()[0]+"="+value)
}

// flag finds a flag by its name: of the command read so far, a global one, or, behind the name of a group, one of the
// group's commands, whose level is one more than there is yet.
func (inv *invocation) flag(name string) (f cli.Flag, level int) {
	for level = len(inv.path); level > 0; level-- {
		if f = flagNamed(inv.path[level-1].Flags, name); f != nil {
			return f, level
		}
	}
	if name == "v" && len(inv.path) > 0 {
		name = "verbose" // davit -v is the version, as docker's
	}
	if f = flagNamed(inv.app.Flags, name); f != nil || len(inv.path) == 0 {
		return f, 0
	}
	for _, c := range inv.commands() {
		if f = flagNamed(c.Flags, name); f != nil {
			return f, len(inv.path) + 1
		}
	}
	return nil, 0
}

func flagNamed(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				return f
			}
		}
	}
	return nil
}

// dashed is a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return !ok || d.TakesValue()
}
