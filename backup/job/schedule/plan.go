package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan is when a job runs.
type Plan struct{ crons []*Cron }

// At plans for times of the day, "03:10".
func At(times ...string) (*Plan, error) {
	p := &Plan{}
	for _, text := range times {
		t, err := time.Parse("15:04", text)
		if err != nil {
			return nil, fmt.Errorf("%q is no time of day: write it as in 03:10", text)
		}
		c, err := ParseCron(fmt.Sprintf("%d %d * * *", t.Minute(), t.Hour()))
		if err != nil {
			return nil, err
		}
		p.crons = append(p.crons, c)
	}
	if len(p.crons) == 0 {
		return nil, fmt.Errorf("a plan needs a time")
	}
	return p, nil
}

// ByCron plans by a cron expression.
func ByCron(text string) (*Plan, error) {
	c, err := ParseCron(text)
	if err != nil {
		return nil, err
	}
	return &Plan{crons: []*Cron{c}}, nil
}

// Next is the first time after t at which the job runs.
func (p *Plan) Next(t time.Time) time.Time {
	var first time.Time
	for _, c := range p.crons {
		if next := c.Next(t); first.IsZero() || !next.IsZero() && next.Before(first) {
			first = next
		}
	}
	return first
}

// Crons are the lines of a crontab that say it.
func (p *Plan) Crons() []string {
	var lines []string
	for _, c := range p.crons {
		lines = append(lines, c.String())
	}
	return lines
}

// OnCalendar are the expressions of systemd that say it.
func (p *Plan) OnCalendar() []string {
	var lines []string
	for _, c := range p.crons {
		lines = append(lines, c.onCalendar()...)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// onCalendar is one expression, or two where either of two days will do.
func (c *Cron) onCalendar() []string {
	clock := fmt.Sprintf("%s:%s:00", join(c.hours, 0, 23), join(c.minutes, 0, 59))
	date := func(days string) string { return fmt.Sprintf("*-%s-%s %s", join(c.months, 1, 12), days, clock) }
	days, weeks := join(c.days, 1, 31), c.weekdays()
	switch {
	case weeks == "":
		return []string{date(days)}
	case c.anyDay || c.anyWeek:
		return []string{weeks + " " + date(days)}
	case days == "*":
		return []string{date("*")}
	}
	return []string{date(days), weeks + " " + date("*")}
}

// weekdays names the days of the week, "" when it is all of them.
func (c *Cron) weekdays() string {
	var names []string
	for _, n := range c.weeks.numbers() {
		names = append(names, time.Weekday(n).String()[:3])
	}
	if len(names) == 7 {
		return ""
	}
	return strings.Join(names, ",")
}

// join lists numbers, "*" when it is all of them.
func join(s set, from, to int) string {
	numbers := s.numbers()
	if len(numbers) == to-from+1 {
		return "*"
	}
	var texts []string
	for _, n := range numbers {
		texts = append(texts, fmt.Sprintf("%02d", n))
	}
	return strings.Join(texts, ",")
}
