package main

import (
	"flag"
	"fmt"
	"io"
	"strings"

	"davit/cmd/davit/dockercmd"

	"github.com/urfave/cli/v2"
)

const helpWidth = 80

// writeHelp prints the help of the command that was read.
func writeHelp(w io.Writer, inv *invocation) {
	p := &page{w: w}
	switch {
	case len(inv.path) == 0:
		p.root(inv.app)
	case len(inv.commands()) > 0:
		p.group(inv)
	default:
		p.command(inv)
	}
}

// page writes a help page; a page cut short by a closed pipe is no error.
type page struct{ w io.Writer }

func (p *page) line(format string, a ...any) { _, _ = fmt.Fprintf(p.w, format+"\n", a...) }

func (p *page) root(app *cli.App) {
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
	p.flags("Global flags", app.Flags)
	p.line("")
	p.line("davit COMMAND --help tells more about a command.")
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

func (p *page) flags(title string, flags []cli.Flag) {
	if len(flags) == 0 {
		return
	}
	p.line("")
	p.line("%s", title)
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		p.row(flagRow(f))
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
	if len(left) > helpColumn-2 {
		p.line("%s", left)
		left = ""
	}
	for _, text := range wrap(right, helpWidth-helpColumn) {
		p.line("%-*s%s", helpColumn, left, text)
		left = ""
	}
}

// wrap cuts a text into lines of at most width columns, between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
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
