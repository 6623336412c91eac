package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"davit/diskscan"
	"davit/prune"

	tea "charm.land/bubbletea/v2"
)

// browser is what somebody sees of a scan at one moment: a list, and how it was reached. It changes nothing but itself.
type browser struct {
	report *diskscan.Report
	width  int
	height int

	levels  []level // the last one is shown
	sort    sortOrder
	typing  bool // the filter is being typed
	help    bool
	message string // until the next key

	marked      map[string]prune.Choice
	handOver    bool
	interrupted bool
}

// level is one list with the place in it.
type level struct {
	title  string
	of     func() []entry // unsorted
	shown  []entry        // sorted and filtered
	filter string
	cursor int
	top    int // first line on the screen
}

func newBrowser(r *diskscan.Report, width int) *browser {
	b := &browser{report: r, width: min(width, 80), height: 24, marked: map[string]prune.Choice{}}
	if len(r.Stores) > 0 {
		b.enter(level{title: "owners", of: b.owners})
	} else {
		b.enter(level{title: "folders", of: b.roots})
	}
	return b
}

func (b *browser) Init() tea.Cmd { return nil }

func (b *browser) now() *level { return &b.levels[len(b.levels)-1] }

func (b *browser) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		b.width, b.height = m.Width, m.Height
	case tea.KeyPressMsg:
		b.message = ""
		key := m.String()
		switch {
		case key == "ctrl+c":
			b.interrupted = true
			return b, tea.Quit
		case b.typing:
			b.typed(m)
		case b.help:
			b.help = false
		default:
			return b, b.press(key)
		}
	}
	b.scroll()
	return b, nil
}

// press does what a key stands for.
func (b *browser) press(key string) tea.Cmd {
	l := b.now()
	switch key {
	case "q":
		return tea.Quit
	case "p":
		if len(b.marked) > 0 {
			b.handOver = true
			return tea.Quit
		}
		b.message = "nothing is marked: space marks"
	case "up", "k":
		l.cursor--
	case "down", "j":
		l.cursor++
	case "pgup":
		l.cursor -= b.lines()
	case "pgdown":
		l.cursor += b.lines()
	case "home", "g":
		l.cursor = 0
	case "end", "G":
		l.cursor = len(l.shown) - 1
	case "enter", "right", "l":
		b.open()
	case "left", "h", "backspace":
		b.leave()
	case "tab":
		b.turn()
	case "s":
		b.sort = (b.sort + 1) % sortOrders
		b.arrange(l)
	case "/":
		b.typing = true
	case "esc":
		l.filter = ""
		b.arrange(l)
	case "space":
		b.mark()
	case "?":
		b.help = true
	}
	b.scroll()
	return nil
}

// typed edits the filter, which works while it is typed.
func (b *browser) typed(m tea.KeyPressMsg) {
	l := b.now()
	switch key := m.String(); {
	case key == "enter":
		b.typing = false
		return
	case key == "esc":
		b.typing, l.filter = false, ""
	case key == "backspace":
		runes := []rune(l.filter)
		l.filter = string(runes[:max(0, len(runes)-1)])
	case m.Text != "":
		l.filter += m.Text
	}
	l.cursor = 0
	b.arrange(l)
}

func (b *browser) enter(l level) {
	b.levels = append(b.levels, l)
	b.arrange(b.now())
}

func (b *browser) open() {
	if e := b.current(); e != nil && e.below != nil {
		b.enter(level{title: cmp.Or(e.path, e.title), of: e.below})
	}
}

func (b *browser) leave() {
	if len(b.levels) > 1 {
		b.levels = b.levels[:len(b.levels)-1]
		b.arrange(b.now()) // the order may have changed meanwhile
	}
}

// turn changes between owners and folders.
func (b *browser) turn() {
	first := level{title: "owners", of: b.owners}
	if b.levels[0].title == "owners" {
		first = level{title: "folders", of: b.roots}
	}
	b.levels = nil
	b.enter(first)
}

func (b *browser) current() *entry {
	if l := b.now(); l.cursor >= 0 && l.cursor < len(l.shown) {
		return &l.shown[l.cursor]
	}
	return nil
}

// mark marks the object that the line belongs to, or takes that back.
func (b *browser) mark() {
	e := b.current()
	if e == nil {
		return
	}
	choice, why := choiceOf(&e.owner)
	if why != "" {
		b.message = string(e.owner.Kind) + ": " + why
		return
	}
	if key := markKey(choice); b.isMarked(e) {
		delete(b.marked, key)
	} else {
		b.marked[key] = choice
	}
	b.now().cursor++
}

// markKey is the same for all owners of one object.
func markKey(c prune.Choice) string { return string(c.Kind) + "/" + strings.Join(c.Names, ", ") }

func (b *browser) isMarked(e *entry) bool {
	choice, why := choiceOf(&e.owner)
	_, marked := b.marked[markKey(choice)]
	return marked && why == ""
}

// chosen are the marked objects.
func (b *browser) chosen() (all []prune.Choice) {
	for _, key := range slices.Sorted(maps.Keys(b.marked)) {
		all = append(all, b.marked[key])
	}
	return all
}
