package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cron is a cron expression: minute, hour, day of the month, month and day of the week.
type Cron struct {
	text                                string
	minutes, hours, days, months, weeks set
	anyDay, anyWeek                     bool // the field is "*": then only the other one counts
}

// set is a set of numbers below 64.
type set uint64

func (s set) has(n int) bool { return s&(1<<n) != 0 }

func (s set) numbers() []int {
	var list []int
	for n := range 64 {
		if s.has(n) {
			list = append(list, n)
		}
	}
	return list
}

// field is what one field of an expression may hold.
type field struct {
	name     string
	from, to int
	words    []string // names of the numbers, the first of "from"
}

func fields() []field {
	return []field{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of the month", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// ParseCron reads a cron expression of five fields, or one of @hourly, @daily, @midnight, @weekly, @monthly,
// @yearly and @annually. One that never comes due, such as that of the 30th of February, is an error.
func ParseCron(text string) (*Cron, error) {
	words := strings.Fields(text)
	if len(words) == 1 {
		words = strings.Fields(map[string]string{
			"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
			"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
		}[strings.ToLower(words[0])])
	}
	if len(words) != 5 {
		return nil, fmt.Errorf("cron expression %q: needs five fields: minute, hour, day of the month, month, day of the week", text)
	}
	c := &Cron{text: strings.Join(words, " "), anyDay: strings.HasPrefix(words[2], "*"), anyWeek: strings.HasPrefix(words[4], "*")}
	for i, into := range []*set{&c.minutes, &c.hours, &c.days, &c.months, &c.weeks} {
		var err error
		if *into, err = fields()[i].parse(words[i]); err != nil {
			return nil, fmt.Errorf("cron expression %q: %w", text, err)
		}
	}
	if c.weeks.has(7) { // Sunday has two numbers
		c.weeks = c.weeks&^(1<<7) | 1
	}
	if !c.comes() {
		return nil, fmt.Errorf("cron expression %q never comes due", text)
	}
	return c, nil
}

// parse reads a list of numbers, names, ranges and steps: "1,5-9,*/15".
func (f field) parse(text string) (set, error) {
	var s set
	for part := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		first, last, err := f.span(span, stepped)
		if err != nil {
			return 0, err
		}
		n := 1
		if stepped {
			if n, err = strconv.Atoi(step); err != nil || n < 1 || n > 60 {
				return 0, fmt.Errorf("%s: %q is no step", f.name, step)
			}
		}
		for i := first; i <= last; i += n {
			s |= 1 << i
		}
	}
	return s, nil
}

// span reads "*", "5" or "5-9". One number with a step goes on to the end.
func (f field) span(text string, stepped bool) (first, last int, err error) {
	if text == "*" {
		return f.from, f.to, nil
	}
	a, b, ranged := strings.Cut(text, "-")
	if first, err = f.number(a); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		last, err = f.number(b)
	case stepped:
		last = f.to
	default:
		last = first
	}
	if err == nil && last < first {
		err = fmt.Errorf("%s: %q runs backwards", f.name, text)
	}
	return first, last, err
}

func (f field) number(text string) (int, error) {
	for i, w := range f.words {
		if strings.EqualFold(text, w) {
			return f.from + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.from || n > f.to || strings.HasPrefix(text, "+") {
		return 0, fmt.Errorf("%s: %q is not from %d to %d", f.name, text, f.from, f.to)
	}
	return n, nil
}

// comes tells whether there is a day in the calendar on which it comes due.
func (c *Cron) comes() bool {
	if !c.anyWeek && c.weeks != 0 {
		return true // either field will do, and each month has all days of the week
	}
	for _, m := range c.months.numbers() {
		longest := time.Date(2024, time.Month(m+1), 0, 0, 0, 0, 0, time.UTC).Day() // 2024 is a leap year
		for _, d := range c.days.numbers() {
			if d <= longest {
				return true
			}
		}
	}
	return false
}

// day tells whether it comes due on a day: as in cron, when both days are restricted either will do.
func (c *Cron) day(t time.Time) bool {
	if !c.months.has(int(t.Month())) {
		return false
	}
	byMonth, byWeek := c.days.has(t.Day()), c.weeks.has(int(t.Weekday()))
	if c.anyDay || c.anyWeek {
		return byMonth && byWeek
	}
	return byMonth || byWeek
}

// Next is the first time after t, in t's location, at which it comes due. Hours that the clock leaves out in
// spring are left out.
func (c *Cron) Next(t time.Time) time.Time {
	t = t.Truncate(time.Minute).Add(time.Minute)
	for limit := t.AddDate(9, 0, 0); t.Before(limit); { // the 29th of February may be eight years away
		if !c.day(t) {
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())
			continue
		}
		if c.hours.has(t.Hour()) && c.minutes.has(t.Minute()) {
			return t
		}
		t = t.Add(time.Minute)
	}
	return time.Time{}
}

// String is the expression in five fields.
func (c *Cron) String() string { return c.text }
