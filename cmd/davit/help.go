package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"davit/cmd/davit/dockercmd"

	"github.com/urfave/cli/v2"
)

const helpWidth = 80

// writeHelp prints the help of the command that was read.
func writeHelp(w io.Writer, inv *invocation) {
	p := &page{w: w, column: helpColumn}
	switch {
	case inv.topic != nil:
		p.topic(inv)
	case len(inv.path) == 0:
		p.root(inv.app)
	case len(inv.commands()) > 0:
		p.group(inv)
	default:
		p.command(inv)
	}
}

// page writes a help page; a page cut short by a closed pipe is no error.
type page struct {
	w      io.Writer
	column int // where the second column of rows begins
}

func (p *page) line(format string, a ...any) { _, _ = fmt.Fprintf(p.w, format+"\n", a...) }

func (p *page) root(app *cli.App) {
	p.column = 14
	p.line("davit %s", app.Usage)
	p.line("")
	p.line("Usage: davit [GLOBAL FLAGS] COMMAND …")
	for _, category := range categories(app.Commands) {
		p.line("")
		p.line("%s", category)
		for _, c := range app.Commands {
			if c.Hidden || c.Category != category {
				continue
			}
			p.row("  "+c.Name, c.Usage)
			if names := subcommands(c); len(names) > 0 {
				p.row("", strings.Join(names, ", "))
			}
		}
	}
	p.line("")
	p.line("Docker's commands, with docker's flags and answers")
	for _, g := range dockercmd.Groups() {
		p.row("  "+strings.ToLower(g.Title), strings.Join(g.Words, " "))
	}
	p.line("")
	p.line("davit COMMAND --help tells more about a command;")
	for _, line := range wrap("davit help "+strings.Join(topicNames(), " | ")+" about the rest.", helpWidth) {
		p.line("%s", line)
	}
}

// subcommands are the names of what a group has.
func subcommands(c *cli.Command) []string {
	var names []string
	for _, s := range c.Subcommands {
		if !s.Hidden {
			names = append(names, s.Name)
		}
	}
	return names
}

// categories returns those of the visible commands in the order of the tree.
func categories(commands []*cli.Command) []string {
	var found []string
	for _, c := range commands {
		if c.Hidden || len(found) > 0 && found[len(found)-1] == c.Category {
			continue
		}
		found = append(found, c.Category)
	}
	return found
}

func (p *page) group(inv *invocation) {
	c := inv.path[len(inv.path)-1]
	p.line("%s", c.Usage)
	p.line("")
	p.line("Usage: davit %s COMMAND …", inv.name())
	p.line("")
	p.column = 4
	for _, name := range subcommands(c) {
		p.column = max(p.column, 4+len(name))
	}
	for _, s := range c.Subcommands {
		if !s.Hidden {
			p.row("  "+s.Name, s.Usage)
		}
	}
	if c.Description != "" {
		p.line("")
		p.line("%s", strings.TrimSpace(c.Description))
	}
	p.line("")
	p.line("davit %s COMMAND --help tells more about a command.", inv.name())
}

func (p *page) command(inv *invocation) {
	c := inv.path[len(inv.path)-1]
	p.line("%s", c.Usage)
	p.line("")
	p.line("Usage: %s", c.UsageText)
	p.flags("Flags", c.Flags)
	if c.Description != "" {
		p.line("")
		p.line("%s", strings.TrimSpace(c.Description))
	}
}

// flags lists flags; the variables that stand for them are in davit help environment.
func (p *page) flags(title string, flags []cli.Flag) {
	var own, shared []cli.Flag
	for _, f := range flags {
		v, ok := f.(cli.VisibleFlag)
		switch {
		case ok && !v.IsVisible():
		case isShared(f):
			shared = append(shared, f)
		default:
			own = append(own, f)
		}
	}
	if len(own) > 0 {
		p.line("")
		p.line("%s", title)
		p.flagRows(own)
	}
	if len(shared) > 0 {
		p.line("")
		p.also(shared)
	}
}

func (p *page) flagRows(flags []cli.Flag) {
	longest := 0
	for _, f := range flags {
		left, _ := flagRow(f)
		longest = max(longest, len(left)+2)
	}
	p.column = min(helpColumn, longest)
	for _, f := range flags {
		left, right := flagRow(f)
		right, _, _ = strings.Cut(right, " [$")
		p.row(left, right)
	}
}

// sharedFlags mean the same in every command that has them, so that its page only names them.
func sharedFlags() []cli.Flag {
	return append([]cli.Flag{repoFlag(), configFlag(), jsonFlag(), progressFlag(), yesFlag()}, slices.Concat(identityFlags(), whoseFlags(), serverFlags(), agentFlags())...)
}

func isShared(f cli.Flag) bool {
	left, right := flagRow(f)
	return slices.ContainsFunc(sharedFlags(), func(s cli.Flag) bool {
		l, r := flagRow(s)
		return l == left && r == right
	})
}

// also names the shared flags.
func (p *page) also(flags []cli.Flag) {
	var names []string
	for _, f := range flags {
		left, _ := flagRow(f)
		names = append(names, strings.ReplaceAll(strings.TrimSpace(left), " ", "\u00a0"))
	}
	for _, line := range wrap("Also: "+strings.Join(names, "; ")+"; see davit help flags.", helpWidth) {
		p.line("%s", strings.ReplaceAll(line, "\u00a0", " "))
	}
}

// flagRow returns how a flag is written and what it means.
func flagRow(f cli.Flag) (left, right string) {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return "  --" + f.Names()[0], ""
	}
	placeholder, usage := flag.UnquoteUsage(&flag.Flag{Usage: doc.GetUsage()})
	left = "      --" + f.Names()[0]
	for _, n := range f.Names()[1:] {
		if len(n) == 1 {
			left = "  -" + n + ", --" + f.Names()[0]
		}
	}
	if doc.TakesValue() {
		left += " " + placeholder
		if d := doc.GetDefaultText(); d != "" && d != `""` && doc.GetValue() != "" && doc.GetValue() != "0" {
			usage += fmt.Sprintf(" (default %s)", strings.Trim(doc.GetDefaultText(), `"`))
		}
	}
	if env := doc.GetEnvVars(); len(env) > 0 {
		usage += " [$" + strings.Join(env, ", $") + "]"
	}
	return left, usage
}

const helpColumn = 26

// row prints two columns, the second wrapped.
func (p *page) row(left, right string) {
	if len(left) > p.column-2 {
		p.line("%s", left)
		left = ""
	}
	for _, text := range wrap(right, helpWidth-p.column) {
		p.line("%-*s%s", p.column, left, text)
		left = ""
	}
}

// wrap cuts a text into lines of at most width columns, between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' }) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// paragraph is a part of a command's help.
func paragraph(text string) string { return strings.Join(wrap(text, helpWidth), "\n") + "\n\n" }

// examples is the part of a command's help that shows it at work.
func examples(lines ...string) string {
	return "Examples\n  " + strings.Join(lines, "\n  ") + "\n\n"
}

// exitCodes is the last part of a command's help.
func exitCodes(codes ...int) string {
	said := make([]string, len(codes))
	for i, code := range codes {
		said[i] = fmt.Sprintf("%d %s", code, exitMeaning(code))
	}
	return strings.Join(wrap("Exit codes: "+strings.Join(said, "; ")+"; any other: failed.", helpWidth), "\n")
}
