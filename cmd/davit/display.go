package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
)

// display is where progress is shown. Its methods are called by one goroutine.
type display interface {
	paint(progressState) // called at intervals
	say(line string)     // a line that stays
	end()
}

// plainLines shows progress where there is no terminal: a line now and then, which also looks well in a log.
type plainLines struct {
	w      io.Writer
	verb   string
	silent bool
}

func (p *plainLines) paint(s progressState) {
	if !p.silent {
		p.say(p.verb + ": " + s.line())
	}
}

func (p *plainLines) say(line string) { _, _ = fmt.Fprintln(p.w, visible(line)) }

func (p *plainLines) end() {}

// jsonLines shows progress to programs, one object per line.
type jsonLines struct{ w io.Writer }

func (j *jsonLines) paint(s progressState) { _ = writeJSON(j.w, s) }

func (j *jsonLines) say(line string) {
	_ = writeJSON(j.w, struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}{"message", line})
}

func (j *jsonLines) end() {}

// bar shows progress on a terminal, in one line that is painted over. The library draws the bar; the numbers behind
// it are ours, the same as everywhere else.
type bar struct {
	w     io.Writer
	bar   *progressbar.ProgressBar
	frame *bytes.Buffer // what the library draws; the terminal gets only the last of several pictures
	verb  string
	width int
	drawn bool
}

const (
	barWidth  = 16
	barMargin = len(" 100% [") + barWidth + len("]  ") + 1
	clearLine = "\r\x1b[2K"
)

func newBar(h *host, verb string) *bar {
	frame := &bytes.Buffer{}
	return &bar{w: h.err, verb: verb, width: h.width(), frame: frame, bar: progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(frame),
		progressbar.OptionSetWidth(barWidth),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
	)}
}

func (b *bar) paint(s progressState) {
	b.drawn = true
	if s.Total <= 0 {
		_, _ = io.WriteString(b.w, clearLine+truncate(b.verb+": "+s.line(), b.width-1))
		return
	}
	b.bar.Describe(truncate(s.numbers(), b.width-barMargin))
	// The library refuses more than the maximum, and never draws a bar again that was full once; files grow while
	// they are read.
	b.bar.ChangeMax64(max(s.Total, s.Done+1))
	_ = b.bar.Set64(s.Done)
	_ = b.bar.RenderBlank()
	_, _ = b.w.Write(b.frame.Bytes()[bytes.LastIndexByte(b.frame.Bytes(), '\r'):])
	b.frame.Reset()
}

func (b *bar) say(line string) {
	b.end()
	_, _ = fmt.Fprintln(b.w, visible(line))
}

func (b *bar) end() {
	if b.drawn {
		_, _ = io.WriteString(b.w, clearLine)
		b.drawn = false
	}
}

// truncate makes a text visible and cuts it to a number of columns.
func truncate(s string, columns int) string {
	s = visible(s)
	if uniseg.StringWidth(s) <= columns {
		return s
	}
	cut, width := 0, 0
	graphemes := uniseg.NewGraphemes(s)
	for graphemes.Next() {
		if width += graphemes.Width(); width > columns-1 {
			break
		}
		_, cut = graphemes.Positions()
	}
	return s[:cut] + "…"
}
