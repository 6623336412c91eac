package manpage

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Page is one manual page.
type Page struct {
	Name     string   // "davit-backup-create"
	Short    string   // what it does, in one line
	Synopsis []string // the lines of how it is written
	Text     string   // paragraphs with lines as they are; may be empty
	Lists    []List
	See      []string // names of other pages
}

// List is a section of entries: flags, commands.
type List struct {
	Title   string // "OPTIONS"
	Entries []Entry
}

// Entry is a term and what it means.
type Entry struct{ Term, Meaning string }

// Write writes the page. The source is the program with its version, made is the date it bears.
func (p Page) Write(w io.Writer, source string, made time.Time) error {
	b := bufio.NewWriter(w)
	line := func(format string, a ...any) { _, _ = fmt.Fprintf(b, format+"\n", a...) } // b keeps its first error
	line(`'\" -*- coding: utf-8 -*-`)
	line(`.TH "%s" "1" "%s" "%s" "%s"`, strings.ToUpper(p.Name), made.UTC().Format("2006-01-02"), quoted(source), "davit")
	line(".nh\n.ad l")
	line(".SH NAME\n%s \\- %s", quoted(p.Name), quoted(p.Short))
	line(".SH SYNOPSIS\n.nf")
	for _, s := range p.Synopsis {
		line("%s", atLineStart(quoted(s)))
	}
	line(".fi")
	if text := strings.TrimSpace(p.Text); text != "" {
		line(".SH DESCRIPTION\n.nf")
		for l := range strings.SplitSeq(text, "\n") {
			line("%s", atLineStart(quoted(l)))
		}
		line(".fi")
	}
	for _, list := range p.Lists {
		if len(list.Entries) == 0 {
			continue
		}
		line(".SH %s", quoted(strings.ToUpper(list.Title)))
		for _, e := range list.Entries {
			line(".TP\n\\fB%s\\fR", quoted(e.Term))
			for l := range strings.SplitSeq(e.Meaning, "\n") {
				line("%s", atLineStart(quoted(strings.TrimSpace(l))))
			}
		}
	}
	if len(p.See) > 0 {
		line(".SH SEE ALSO\n%s(1)", strings.Join(quotedAll(p.See), "(1), "))
	}
	return b.Flush()
}

// quoted takes the meaning from characters that the language knows.
func quoted(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

func quotedAll(texts []string) []string {
	var all []string
	for _, t := range texts {
		all = append(all, quoted(t))
	}
	return all
}

// atLineStart keeps a line from being taken for a request; an empty line would end an entry.
func atLineStart(line string) string {
	if line == "" || line[0] == '.' || line[0] == ' ' {
		return `\&` + line
	}
	return line
}
