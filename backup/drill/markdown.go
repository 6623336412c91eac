package drill

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the report as Markdown. Whatever the report holds is text in it, never markup.
func WriteMarkdown(w io.Writer, r *Report) error {
	m := &markdown{}
	m.line("# Restore drill %s: %s", md(r.ID), r.Verdict)
	m.line("")
	m.line("%s", r.says())
	if r.Error != "" {
		m.line("")
		m.line("%s", md(r.Error))
	}
	m.line("")
	m.table("| | |", [][]string{
		{"Host", md(r.Host)}, {"Began", moment(r.Began) + " UTC"}, {"Ended", moment(r.Ended) + " UTC"},
		{"Snapshot", md(r.Snapshot.ID) + ", " + md(r.Snapshot.Digest)},
		{"Snapshot made", moment(r.Snapshot.Time) + " UTC on " + md(r.Snapshot.Host)}, {"Repository", md(r.Snapshot.Repository)},
		{"Recovery time (RTO)", span(r.RTO.Seconds) + ", " + targetText(r.RTO)},
		{"Age of the data (RPO)", longSpan(r.RPO.Seconds) + ", " + targetText(r.RPO)},
		{"Checks", fmt.Sprintf("%d passed, %d failed, %d to be looked at, %d not asked", r.Count(Pass), r.Count(Fail), r.Count(Warning), r.Count(Skip))},
		{"davit", md(r.Davit)}, {"Docker Engine", md(r.Engine.Version + ", " + r.Engine.Storage + ", " + r.Engine.OS + ", " + r.Engine.Arch)},
		{"Removed again", removedText(r.Removed)},
	})
	m.section("Checks")
	var rows [][]string
	for _, c := range r.Checks {
		rows = append(rows, []string{string(c.Result), md(c.Name), md(c.About), md(c.Detail), span(c.Seconds)})
	}
	m.table("| Result | Check | Of | What was found | Took |", rows)
	for _, c := range r.Checks {
		if c.Output != "" {
			m.line("")
			m.line("%s (%s) printed:", md(c.title()), c.Result)
			m.line("")
			for line := range strings.Lines(c.Output) {
				m.line("    %s", plain(strings.TrimRight(line, "\r\n")))
			}
		}
	}
	m.data(r)
	m.started(r)
	m.section("Not rehearsed")
	for _, n := range r.NotRehearsed {
		m.line("- %s %s", md(n.Item), md(n.Reason))
	}
	if len(r.NotRehearsed) == 0 {
		m.line("Nothing of what was selected was left out.")
	}
	if len(r.Notes) > 0 {
		m.section("Notes")
		for _, n := range r.Notes {
			m.line("- %s", md(n))
		}
	}
	_, err := io.WriteString(w, m.text.String())
	return err
}

func removedText(r *Removed) string {
	if r == nil {
		return "no: davit recover does it"
	}
	return fmt.Sprintf("%d containers, %d networks, %d volumes, %d images", r.Containers, r.Networks, r.Volumes, r.Images)
}

type markdown struct{ text strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(&m.text, format+"\n", args...) }

func (m *markdown) section(title string) {
	m.line("")
	m.line("## %s", title)
	m.line("")
}

func (m *markdown) table(head string, rows [][]string) {
	m.line("%s", head)
	m.line("|%s", strings.Repeat(" --- |", strings.Count(head, "|")-1))
	for _, row := range rows {
		m.line("| %s |", strings.Join(row, " | "))
	}
}

func (m *markdown) data(r *Report) {
	if len(r.Volumes) == 0 {
		return
	}
	m.section("Data")
	var rows [][]string
	for _, v := range r.Volumes {
		name := md(v.about())
		if v.Item == "" {
			name = md(v.Of) + " (empty)"
		}
		rows = append(rows, []string{
			string(v.Result), name, fmt.Sprint(v.Files), bytesText(v.Bytes), fmt.Sprint(v.Chunks), span(v.Restore), span(v.Compare),
		})
	}
	m.table("| Result | Item | Files | Size | Chunks | Restored in | Compared in |", rows)
}

func (m *markdown) started(r *Report) {
	if len(r.Containers) == 0 {
		return
	}
	m.section("Containers")
	var rows [][]string
	for _, c := range r.Containers {
		rows = append(rows, []string{string(c.Result), md(c.Of), md(c.Image), md(c.Health), span(c.Ready), md(strings.Join(c.Changes, "; "))})
	}
	m.table("| Result | Container | Image | State | Ready after | Left out or replaced |", rows)
}

// md escapes what Markdown and HTML would read as markup.
func md(s string) string {
	var b strings.Builder
	for _, c := range plain(s) {
		switch {
		case c == '<':
			b.WriteString("&lt;")
			continue
		case c == '&':
			b.WriteString("&amp;")
			continue
		case strings.ContainsRune("\\`*_{}[]()#+!|>~", c):
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
