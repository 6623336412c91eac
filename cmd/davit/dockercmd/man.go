package dockercmd

import (
	"context"
	"slices"
	"strings"

	"davit/cmd/davit/manpage"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ManPages returns a manual page for each of docker's words.
func (p *Program) ManPages(ctx context.Context) ([]manpage.Page, error) {
	s, err := p.session(ctx)
	if err != nil {
		return nil, err
	}
	root := s.tree().command
	root.InitDefaultHelpCmd()
	var pages []manpage.Page
	for _, c := range root.Commands() {
		pages = append(pages, pagesOf(c)...)
	}
	return pages, nil
}

// pagesOf returns the page of a command and of those below it.
func pagesOf(c *cobra.Command) []manpage.Page {
	if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
		return nil
	}
	page := manpage.Page{Name: pageName(c), Short: c.Short, Synopsis: []string{c.UseLine()}, See: []string{pageName(c.Parent())}}
	if text := strings.TrimSpace(c.Long); text != c.Short {
		page.Text = text
	}
	if also := c.Annotations["aliases"]; also != "" {
		page.Text = strings.TrimSpace(page.Text + "\n\nThe same: " + also)
	}
	pages := []manpage.Page{}
	commands := manpage.List{Title: "Commands"}
	for _, below := range c.Commands() {
		more := pagesOf(below)
		if len(more) > 0 {
			commands.Entries = append(commands.Entries, manpage.Entry{Term: below.Name(), Meaning: below.Short})
			page.See = append(page.See, more[0].Name)
		}
		pages = append(pages, more...)
	}
	page.Lists = []manpage.List{commands, {Title: "Options", Entries: flagEntries(c.NonInheritedFlags())}}
	return append([]manpage.Page{page}, pages...)
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func flagEntries(flags *pflag.FlagSet) []manpage.Entry {
	var entries []manpage.Entry
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, meaning := pflag.UnquoteUsage(f)
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		if !slices.Contains([]string{"", "false", "0", "0s", "[]", "map[]"}, f.DefValue) {
			meaning += " (default " + f.DefValue + ")"
		}
		entries = append(entries, manpage.Entry{Term: strings.TrimSpace(term + " " + kind), Meaning: meaning})
	})
	return entries
}
