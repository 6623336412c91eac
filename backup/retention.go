package backup

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"davit/backup/repo"
)

// KeepPolicy says which snapshots of a host and job are kept: the newest of the last so many hours, days, weeks
// (ISO 8601), months or years that have one, the last few, those of a time before the newest, and those with a tag. A
// snapshot that one rule keeps is kept.
type KeepPolicy struct {
	Last, Hourly, Daily, Weekly, Monthly, Yearly int
	Within                                       Age
	Tags                                         []string
}

// Empty reports whether nothing would be kept.
func (p KeepPolicy) Empty() bool {
	counts := [...]int{p.Last, p.Hourly, p.Daily, p.Weekly, p.Monthly, p.Yearly}
	return counts == [len(counts)]int{} && p.Within == Age{} && len(p.Tags) == 0
}

func (p KeepPolicy) check() error {
	for _, n := range []int{p.Last, p.Hourly, p.Daily, p.Weekly, p.Monthly, p.Yearly} {
		if n < 0 {
			return &UsageError{Reason: fmt.Sprintf("%d is no number of snapshots to keep", n)}
		}
	}
	return CheckTags(p.Tags)
}

// Age is a length of time in whole hours, days and years of the calendar.
type Age struct{ Years, Days, Hours int }

// ParseAge reads a sequence of numbers with y, w, d or h: "30d", "1y12w". Anything else is a *UsageError.
func ParseAge(s string) (Age, error) {
	wrong := &UsageError{Reason: fmt.Sprintf("%q is no length of time", s), Hint: "write it as in 36h, 30d, 8w, 1y or 1y6w"}
	var a Age
	for rest := s; rest != "" || s == ""; {
		at := strings.IndexAny(rest, "ywdh")
		if at <= 0 {
			return Age{}, wrong
		}
		n, err := strconv.ParseUint(rest[:at], 10, 16)
		if err != nil {
			return Age{}, wrong
		}
		switch rest[at] {
		case 'y':
			a.Years += int(n)
		case 'w':
			a.Days += 7 * int(n)
		case 'd':
			a.Days += int(n)
		case 'h':
			a.Hours += int(n)
		}
		rest = rest[at+1:]
	}
	return a, nil
}

// String writes what ParseAge reads; nothing is "0h".
func (a Age) String() string {
	var b strings.Builder
	for _, part := range []struct {
		n    int
		unit string
	}{{a.Years, "y"}, {a.Days, "d"}, {a.Hours, "h"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, "%d%s", part.n, part.unit)
		}
	}
	if b.Len() == 0 {
		return "0h"
	}
	return b.String()
}

func (a Age) before(t time.Time) time.Time {
	return t.AddDate(-a.Years, 0, -a.Days).Add(-time.Duration(a.Hours) * time.Hour)
}

// clockSlack is how far a snapshot may be ahead of this clock without counting as made by a wrong one.
const clockSlack = time.Hour

const reasonFuture = "its time lies in the future"

// keepReasons applies a policy to the snapshots of one host and job, newest first, and says for each why it is kept;
// one without a reason is not. Time is counted from the newest snapshot, so that nothing is lost only because no
// backup was made for long. Those of the future are kept and do not count: one wrong clock must not age all others.
func (p KeepPolicy) keepReasons(snaps []repo.Snapshot, now time.Time) [][]string {
	reasons := make([][]string, len(snaps))
	first := 0
	for first < len(snaps) && snaps[first].Time.After(now.Add(clockSlack)) {
		reasons[first] = []string{reasonFuture}
		first++
	}
	if first == len(snaps) {
		return reasons
	}
	from := p.Within.before(snaps[first].Time)
	periods := p.periods()
	for i := first; i < len(snaps); i++ {
		t := snaps[i].Time.In(now.Location())
		if n := i - first + 1; n <= p.Last {
			reasons[i] = append(reasons[i], fmt.Sprintf("last %d", n))
		}
		for k := range periods {
			if name, ok := periods[k].take(t); ok {
				reasons[i] = append(reasons[i], name)
			}
		}
		if p.Within != (Age{}) && !t.Before(from) {
			reasons[i] = append(reasons[i], "within "+p.Within.String())
		}
	}
	return reasons
}

// period counts the hours, days, weeks, months or years that have a snapshot.
type period struct {
	word string
	left int
	name func(time.Time) string
	last string
}

func (p KeepPolicy) periods() []period {
	layout := func(l string) func(time.Time) string { return func(t time.Time) string { return t.Format(l) } }
	week := func(t time.Time) string {
		year, n := t.ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, n)
	}
	return []period{
		{word: "hourly", left: p.Hourly, name: layout("2006-01-02 15h -0700")},
		{word: "daily", left: p.Daily, name: layout("2006-01-02")},
		{word: "weekly", left: p.Weekly, name: week},
		{word: "monthly", left: p.Monthly, name: layout("2006-01")},
		{word: "yearly", left: p.Yearly, name: layout("2006")},
	}
}

// take tells whether t, which is not later than the one before, is the newest of its period.
func (p *period) take(t time.Time) (string, bool) {
	name := p.name(t)
	if p.left == 0 || name == p.last {
		return "", false
	}
	p.last = name
	p.left--
	return p.word + " " + name, true
}
