package schedule

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseCron(t *testing.T) {
	for text, reason := range map[string]string{
		"":                 "needs five fields",
		"* * * *":          "needs five fields",
		"* * * * * *":      "needs five fields",
		"@reboot":          "needs five fields",
		"60 * * * *":       `minute: "60" is not from 0 to 59`,
		"* 24 * * *":       "hour: ",
		"* * 0 * *":        "day of the month: ",
		"* * * 13 *":       "month: ",
		"* * * * 8":        "day of the week: ",
		"* * * * moon":     `"moon"`,
		"*/0 * * * *":      `"0" is no step`,
		"*/x * * * *":      `"x" is no step`,
		"5-1 * * * *":      "runs backwards",
		"-1 * * * *":       "is not from",
		"1, * * * *":       `"" is not from`,
		"0 0 30 2 *":       "never comes due",
		"0 0 31 2,4,6,9 *": "never comes due",
		"0 0 31 apr */1":   "never comes due",
	} {
		if _, err := ParseCron(text); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want %s", text, err, reason)
		}
	}
	for _, text := range []string{"0 0 29 2 *", "0 0 30 2 mon", "@daily", "@YEARLY", "*/15 1-5,7 * jan-mar sun", "5/10 * * * 7", "0 0 31 1-2 *"} {
		if _, err := ParseCron(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNext(t *testing.T) {
	from := time.Date(2026, 2, 27, 3, 10, 30, 0, time.UTC) // a Friday
	for text, want := range map[string]string{
		"10 3 * * *":   "2026-02-28 03:10",
		"* * * * *":    "2026-02-27 03:11",
		"*/15 * * * *": "2026-02-27 03:15",
		"0 0 29 2 *":   "2028-02-29 00:00",
		"30 4 * * sat": "2026-02-28 04:30",
		"0 4 1 * mon":  "2026-03-01 04:00", // either day will do
		"0 4 */2 * 1":  "2026-03-09 04:00", // "*/2" counts as any day: both have to be right
		"0 12 * * 7":   "2026-03-01 12:00",
		"@monthly":     "2026-03-01 00:00",
		"11 3 27 2 *":  "2026-02-27 03:11",
	} {
		c, err := ParseCron(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Next(from).Format("2006-01-02 15:04"); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Next is never too late and never wrong, also where the clock is changed: compared with a walk minute by minute.
func TestNextByWalking(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("optional: no time zones here: %v", err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	for range 200 {
		text := strings.Join([]string{
			pick("0", "*/7", "30", "5,35"), pick("*", "2", "1-3", "*/5"), pick("*", "28-30", "1", "*/3"), pick("*", "3", "10", "3-10/7"), pick("*", "sun", "1-5", "0"),
		}, " ")
		c, err := ParseCron(text)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(2026, 3, 26+r.IntN(3), r.IntN(24), r.IntN(60), 0, 0, berlin)
		if r.IntN(2) == 0 {
			from = time.Date(2026, 10, 23+r.IntN(3), r.IntN(24), r.IntN(60), 0, 0, berlin)
		}
		got := c.Next(from)
		for at := from.Add(time.Minute); at.Before(from.AddDate(0, 0, 4)); at = at.Add(time.Minute) {
			if c.day(at) && c.hours.has(at.Hour()) && c.minutes.has(at.Minute()) {
				if !got.Equal(at) {
					t.Errorf("%s after %s: %s, want %s", text, from, got, at)
				}
				break
			}
		}
	}
}

func TestOnCalendar(t *testing.T) {
	for text, want := range map[string][]string{
		"10 3 * * *":       {"*-*-* 03:10:00"},
		"* * * * *":        {"*-*-* *:*:00"},
		"0,30 1-3 1 jan *": {"*-01-01 01,02,03:00,30:00"},
		"30 4 * * sat,sun": {"Sun,Sat *-*-* 04:30:00"},
		"0 4 1 * mon":      {"*-*-01 04:00:00", "Mon *-*-* 04:00:00"},
		"0 4 */10 * 1":     {"Mon *-*-01,11,21,31 04:00:00"},
	} {
		p, err := ByCron(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.OnCalendar(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestAt(t *testing.T) {
	p, err := At("03:10", "15:10")
	if err != nil {
		t.Fatal(err)
	}
	if next := p.Next(time.Date(2026, 1, 1, 4, 0, 0, 0, time.UTC)); next.Hour() != 15 {
		t.Errorf("next is %v", next)
	}
	if !slices.Equal(p.Crons(), []string{"10 3 * * *", "10 15 * * *"}) {
		t.Errorf("%q", p.Crons())
	}
	for _, bad := range []string{"3", "24:00", "noon", "03:10:00", ""} {
		if _, err := At(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := At(); err == nil {
		t.Error("no time was taken")
	}
}
