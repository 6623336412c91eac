//go:build linux

package hostfs

import (
	"testing"
	"time"
)

// A clock that was set back takes the time of the last pass with it, so that what changed since is not taken for older; one
// that was set forward, or another boot, changes nothing.
func TestClockThatWasSetBack(t *testing.T) {
	p := &CopyPass{Began: Timespec{Sec: 1000, Nsec: 5}, clock: clockMark{Boot: "a", Ahead: time.Hour}}
	for name, row := range map[string]struct {
		now  clockMark
		want Timespec
	}{
		"as it was":    {clockMark{"a", time.Hour}, p.Began},
		"set forward":  {clockMark{"a", 2 * time.Hour}, p.Began},
		"set back":     {clockMark{"a", time.Hour - 90*time.Second}, Timespec{Sec: 910, Nsec: 5}},
		"another boot": {clockMark{"b", time.Minute}, p.Began},
	} {
		if got := p.began(row.now); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
	a, err := markClock()
	if err != nil {
		t.Fatal(err)
	}
	b, err := markClock()
	if err != nil {
		t.Fatal(err)
	}
	if d := b.Ahead - a.Ahead; a.Boot == "" || d.Abs() > time.Minute {
		t.Errorf("two marks in a row are %v apart: %v, %v", d, a, b)
	}
}

// What changed after the clock was set back is copied, although it is dated before the last pass and looks the same.
func TestChangeUnderAClockThatWasSetBack(t *testing.T) {
	c := &copier{o: CopyOptions{Before: &CopyPass{}}}
	st := Stat{Mode: 0o100644, Size: 5, Ctime: Timespec{Sec: 950}}
	p := CopyPass{Began: Timespec{Sec: 1000}, clock: clockMark{"a", time.Hour}}
	c.since = p.began(clockMark{"a", time.Hour})
	if !c.unchanged(&st, &st) {
		t.Error("what is older than the pass is copied again")
	}
	c.since = p.began(clockMark{"a", time.Hour - 100*time.Second})
	if c.unchanged(&st, &st) {
		t.Error("what changed after the clock was set back is taken for older than the pass")
	}
}
