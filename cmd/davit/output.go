package main

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// visible returns a text in which nothing can move the cursor, change colours, hide or fake a line: every character
// that does not print, and every byte that is no UTF-8, is written as Go would write it ("\x1b", "\n"). Names, labels
// and paths are chosen by whoever made them, so everything on the screen that is not ours goes through here.
func visible(s string) string {
	if isVisible(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, !strconv.IsPrint(r):
			quoted := strconv.Quote(s[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		case r == '\\': // or "\n" typed as two characters would look like a newline
			b.WriteString(`\\`)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

func isVisible(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}

// size writes bytes the way all of davit's own commands do: "1.5 GiB".
func size(n int64) string {
	if n < 0 {
		return "-" + humanize.IBytes(uint64(-n))
	}
	return humanize.IBytes(uint64(n))
}

// count writes a number with its noun: "1 file", "12,345 files".
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + noun + "s"
}

// clock writes a moment as the reader's clock shows it.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// span writes a duration with three digits that matter: "12ms", "1.52s", "4m10s".
func span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// writeJSON writes one document or one line of a stream of documents.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
