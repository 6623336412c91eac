package main

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/dustin/go-humanize"
	"github.com/rivo/uniseg"
)

// Lines of the screen that are not the list's: the title and the footer.
const frameLines = 2

// The cursor's line is shown in reverse, which no terminal needs colours for.
const (
	reverse = "\x1b[7m"
	plain   = "\x1b[m"
)

// lines is how many entries fit.
func (b *browser) lines() int { return max(1, b.height-frameLines) }

// scroll keeps the cursor on an entry and on the screen.
func (b *browser) scroll() {
	l := b.now()
	l.cursor = max(0, min(l.cursor, len(l.shown)-1))
	l.top = max(0, min(l.top, len(l.shown)-b.lines()))
	l.top = max(min(l.top, l.cursor), l.cursor-b.lines()+1)
}

func (b *browser) View() tea.View {
	v := tea.NewView(b.screen())
	v.AltScreen = true
	return v
}

// screen is the whole picture. Whatever names hold, each line is one line and fits.
func (b *browser) screen() string {
	if b.help {
		return b.cut(browserHelp)
	}
	l := b.now()
	lines := []string{b.fit(b.title())}
	largest := int64(1)
	for _, e := range l.shown {
		largest = max(largest, e.usage.Bytes)
	}
	for i := l.top; i < min(len(l.shown), l.top+b.lines()); i++ {
		line := b.fit(b.line(&l.shown[i], largest))
		if i == l.cursor {
			line = reverse + line + strings.Repeat(" ", max(0, b.width-uniseg.StringWidth(line))) + plain
		}
		lines = append(lines, line)
	}
	if len(l.shown) == 0 {
		lines = append(lines, b.fit("  nothing here"))
	}
	for len(lines) < b.lines()+1 {
		lines = append(lines, "")
	}
	return b.cut(strings.Join(append(lines, b.fit(b.footer())), "\n"))
}

// cut leaves what does not fit a very low screen away.
func (b *browser) cut(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, reverse) {
			lines[i] = b.fit(line)
		}
	}
	return strings.Join(lines[:min(len(lines), max(1, b.height))], "\n")
}

func (b *browser) fit(line string) string { return truncate(line, max(1, b.width)) }

func (b *browser) title() string {
	where := b.now().title
	if len(b.levels) > 1 {
		where = b.levels[0].title + " > " + pathCut(where, max(20, b.width-40))
	}
	text := fmt.Sprintf("%s  (%s, by %s)", where, humanize.Comma(int64(len(b.now().shown))), b.sort)
	if b.now().filter != "" && !b.typing {
		text += "  filter: " + b.now().filter
	}
	return text
}

const barColumns = 10

// line is an entry: mark, size, a bar in proportion to the largest, what it is.
func (b *browser) line(e *entry, largest int64) string {
	mark := " "
	if b.isMarked(e) {
		mark = "*"
	}
	text := fmt.Sprintf("%s%10s ", mark, size(e.usage.Bytes))
	if b.width >= 60 {
		full := int(barColumns * e.usage.Bytes / largest)
		text += strings.Repeat("#", full) + strings.Repeat(" ", barColumns-full) + " "
	}
	switch {
	case b.sort == byInodes:
		text += fmt.Sprintf("%9s ", humanize.Comma(e.usage.Inodes))
	case b.sort == byAge && !e.modified.IsZero():
		text += fmt.Sprintf("%7s ", age(b.report.Time.Sub(e.modified)))
	}
	return text + e.title
}

func (b *browser) footer() string {
	switch {
	case b.typing:
		return "filter: " + b.now().filter + "_"
	case b.message != "":
		return b.message
	case len(b.marked) > 0:
		return fmt.Sprintf("%s marked: p makes a prune plan   space mark   ? help   q quit", humanize.Comma(int64(len(b.marked))))
	}
	return "enter open  left back  tab folders  s sort  / find  space mark  ? help  q quit"
}

const browserHelp = `up down pgup pgdown home end   move      (also k j g G)
enter right   look into it               (also l)
left          back                       (also h, backspace)
tab           owners or folders
s             sort by size, inodes, name, age
/             show only what has a text in it; esc shows all
space         mark the image, container, volume or build cache
p             end, and hand what is marked to davit prune plan
q             end
Nothing is removed here. Any key goes back.`
