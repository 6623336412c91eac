package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"davit/cmd/davit/dockercmd"
	"davit/cmd/davit/manpage"
	"davit/engine/hostfs"

	"github.com/urfave/cli/v2"
)

// manPages writes the manual into a folder: a page for each of our own commands and for each of docker's.
func (h *host) manPages(ctx context.Context, dir string) error {
	docker, err := h.dockerProgram().ManPages(ctx)
	if err != nil {
		return err
	}
	app, made := h.app(), h.made()
	pages := append([]manpage.Page{rootPage(app)}, docker...)
	for _, c := range app.Commands {
		pages = append(pages, ownPages([]string{"davit"}, c, docker)...)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range pages {
		var b strings.Builder
		if err := p.Write(&b, "davit "+thisBuild().Version, made); err != nil {
			return err
		}
		if err := hostfs.WriteFile(filepath.Join(dir, p.Name+".1"), []byte(b.String()), 0o644); err != nil {
			return fmt.Errorf("write manual page: %w", err)
		}
	}
	_, err = io.WriteString(h.err, fmt.Sprintf("%d manual pages in %s\n", len(pages), dir))
	return err
}

// made is the date that the manual bears: the one that a reproducible build asks for, else that of the program, else today's.
func (h *host) made() time.Time {
	if n, err := strconv.ParseInt(h.getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(n, 0)
	}
	if t, err := time.Parse(time.RFC3339, thisBuild().Time); err == nil {
		return t
	}
	return h.now()
}

func rootPage(app *cli.App) manpage.Page {
	p := manpage.Page{Name: "davit", Short: app.Usage, Synopsis: []string{"davit [GLOBAL FLAGS] COMMAND …"}}
	for _, category := range categories(app.Commands) {
		list := manpage.List{Title: category}
		for _, c := range app.Commands {
			if !c.Hidden && c.Category == category {
				list.Entries = append(list.Entries, manpage.Entry{Term: c.Name, Meaning: c.Usage + seeSubcommands(c)})
				p.See = append(p.See, "davit-"+c.Name)
			}
		}
		p.Lists = append(p.Lists, list)
	}
	docker := manpage.List{Title: "Docker's commands, with docker's flags and answers"}
	for _, g := range dockercmd.Groups() {
		docker.Entries = append(docker.Entries, manpage.Entry{Term: g.Title, Meaning: strings.Join(g.Words, ", ")})
	}
	p.Lists = append(p.Lists, docker, manpage.List{Title: "Global flags", Entries: ownFlags(app.Flags)})
	p.See = append(p.See, "davit-run", "davit-ps", "davit-save")
	return p
}

func seeSubcommands(c *cli.Command) string {
	if names := subcommands(c); len(names) > 0 {
		return ": " + strings.Join(names, ", ")
	}
	return ""
}

// ownPages returns the page of one of our own commands and of those below it, except where docker has the page.
func ownPages(above []string, c *cli.Command, docker []manpage.Page) []manpage.Page {
	path := append(above[:len(above):len(above)], c.Name)
	p := manpage.Page{Name: strings.Join(path, "-"), Short: c.Usage, Text: c.Description, See: []string{strings.Join(above, "-")}}
	for _, d := range docker {
		if c.Hidden || d.Name == p.Name {
			return nil
		}
	}
	var below []manpage.Page
	commands := manpage.List{Title: "Commands"}
	for _, s := range c.Subcommands {
		if s.Hidden {
			continue
		}
		commands.Entries = append(commands.Entries, manpage.Entry{Term: s.Name, Meaning: s.Usage})
		more := ownPages(path, s, nil)
		p.See = append(p.See, more[0].Name)
		below = append(below, more...)
	}
	p.Synopsis = strings.Split(strings.TrimSpace(c.UsageText), "\n")
	if c.UsageText == "" {
		p.Synopsis = []string{strings.Join(path, " ") + " COMMAND …"}
	}
	for i, s := range p.Synopsis {
		p.Synopsis[i] = strings.TrimSpace(s)
	}
	p.Lists = []manpage.List{commands, {Title: "Flags", Entries: ownFlags(c.Flags)}}
	return append([]manpage.Page{p}, below...)
}

func ownFlags(flags []cli.Flag) []manpage.Entry {
	var entries []manpage.Entry
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		term, meaning := flagRow(f)
		entries = append(entries, manpage.Entry{Term: strings.TrimSpace(term), Meaning: meaning})
	}
	return entries
}
