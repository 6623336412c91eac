package drill

import (
	_ "embed" // for the page
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

//go:embed page.html
var page string

// WriteHTML writes one page that needs nothing else, for screens and for paper. Whatever the report holds is text on the
// page, never markup.
func WriteHTML(w io.Writer, r *Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"plain": plain, "lines": plainLines, "span": longSpan, "when": moment, "size": bytesText,
		"met": metClass, "target": targetText, "says": (*Report).says,
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	return t.Execute(w, r)
}

// says explains the verdict.
func (r *Report) says() string {
	switch r.Verdict {
	case Passed:
		return "The snapshot restores: all that it holds came back and works, as far as it was asked."
	case Partial:
		return "What could be rehearsed came back and works; something could not be rehearsed from this snapshot."
	case Failed:
		return fmt.Sprintf("%d of %d checks failed: the snapshot does not give back what it should.", r.Count(Fail), len(r.Checks))
	case Running:
		return "The drill goes on."
	case Killed:
		return "The drill never ended."
	}
	return "The drill was ended before it was done: it proves nothing."
}

func metClass(o Objective) string {
	switch {
	case o.Target == 0:
		return ""
	case o.Met:
		return "pass"
	}
	return "fail"
}

func targetText(o Objective) string {
	switch {
	case o.Target == 0:
		return "no target"
	case o.Met:
		return "within the target of " + longSpan(o.Target)
	}
	return "beyond the target of " + longSpan(o.Target)
}

// longSpan is span, with days.
func longSpan(seconds float64) string {
	const day = 24 * 60 * 60
	if seconds >= 2*day {
		return fmt.Sprintf("%d days %d h", int(seconds)/day, int(seconds)%day/3600)
	}
	return span(seconds)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func bytesText(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// plain shows what does not print as its code, so that a name cannot pretend to be another one.
func plain(s string) string { return escape(s, "") }

// plainLines is plain for text of several lines.
func plainLines(s string) string { return escape(s, "\n\t") }

func escape(s, kept string) string {
	var b strings.Builder
	for _, c := range strings.ToValidUTF8(s, "�") {
		if strings.ContainsRune(kept, c) || unicode.IsPrint(c) {
			b.WriteRune(c)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return b.String()
}
