package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
)

// newProgress starts a progress without a command line.
func newProgress(d display, interval time.Duration) *progress {
	p := &progress{started: time.Now(), wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	go p.show(d, time.Now, interval)
	return p
}

// stuckDisplay is a terminal that somebody stopped with Ctrl-S.
type stuckDisplay struct{ stuck, release chan struct{} }

func (s *stuckDisplay) paint(progressState) { s.block() }
func (s *stuckDisplay) say(string)          { s.block() }
func (s *stuckDisplay) end()                {}
func (s *stuckDisplay) block() {
	select {
	case s.stuck <- struct{}{}:
	default:
	}
	<-s.release
}

// TestStoppedTerminalHoldsNothingUp shows that the work goes on while the display is blocked.
func TestStoppedTerminalHoldsNothingUp(t *testing.T) {
	d := &stuckDisplay{stuck: make(chan struct{}, 1), release: make(chan struct{})}
	p := newProgress(d, time.Microsecond)
	<-d.stuck
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		for range 10_000 {
			p.Add(1)
			p.Item("volume/x")
			p.Say("a line")
		}
	}()
	select {
	case <-worked:
	case <-time.After(time.Minute):
		t.Fatal("the work waits for the display")
	}
	if p.done.Load() != 10_000 {
		t.Errorf("counted %d", p.done.Load())
	}
	close(d.release)
	p.close()
}

// TestLinesAreNotLost shows that what was said before close is written, also when nothing was painted, and quoted.
func TestLinesAreNotLost(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&plainLines{w: &b, verb: "backup"}, time.Hour)
	p.Say("one")
	p.Say("t\x1bwo")
	p.close()
	p.close() // twice is allowed: it is deferred as well
	if b.String() != "one\nt\\x1bwo\n" {
		t.Errorf("got %q", b.String())
	}
}

// TestBarStaysInItsLine shows that the bar never is longer than the terminal is wide, whatever the numbers and names,
// that files which grow do no harm, and that it is gone in the end.
func TestBarStaysInItsLine(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		var b bytes.Buffer
		d := newBar(&host{err: &b}, "backup")
		d.width = width
		for _, s := range []progressState{
			{Done: 0, Total: 0, Item: "volume/x"},
			{Done: 12345, Total: 0, Item: strings.Repeat("long", 99)},
			{Done: 0, Total: 1 << 40, Rate: 1},
			{Done: 1 << 39, Total: 1 << 40, Rate: 210 << 20, Left: 99999, Item: strings.Repeat("日本\x1b[31m", 99)},
			{Done: 1 << 41, Total: 1 << 40, Rate: 210 << 20, Item: "volume/grown"},
		} {
			d.paint(s)
		}
		d.say("a line")
		d.end()
		for _, painted := range strings.FieldsFunc(b.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
			text := strings.NewReplacer("\x1b[2K", "", "\x1b[0K", "").Replace(painted)
			if columns := uniseg.StringWidth(text); strings.Contains(text, "\x1b") || columns > width {
				t.Errorf("width %d: %d columns: %q", width, columns, text)
			}
		}
		if !strings.Contains(b.String(), "50% [") || !strings.Contains(b.String(), " 99% [") {
			t.Errorf("width %d: no bar in %q", width, b.String())
		}
		if !strings.HasSuffix(b.String(), "\x1b[2Ka line\n") {
			t.Errorf("width %d: the bar is left behind: %q", width, b.String())
		}
	}
}

// TestProgressAsJSON shows that each painted state is one JSON object with the numbers of that moment.
func TestProgressAsJSON(t *testing.T) {
	var b bytes.Buffer
	d := &jsonLines{w: &b}
	d.paint(progressState{Type: "progress", Item: "volume/a\x1b", Done: 5, Total: 10, Rate: 5, Elapsed: 1, Left: 1})
	d.say("hello")
	var state progressState
	line, rest, _ := strings.Cut(b.String(), "\n")
	if err := json.Unmarshal([]byte(line), &state); err != nil || state.Done != 5 || state.Item != "volume/a\x1b" {
		t.Errorf("got %v, %v", state, err)
	}
	if rest != "{\"type\":\"message\",\"text\":\"hello\"}\n" {
		t.Errorf("got %s", rest)
	}
}

// TestRate shows that the rate follows a change within some seconds and is never negative for want of time.
func TestRate(t *testing.T) {
	m := &rateMeter{}
	if r := m.rate(time.Second, 100); r != 100 {
		t.Errorf("first second: %d", r)
	}
	if r := m.rate(time.Second, 100); r != 100 {
		t.Errorf("no time passed: %d", r)
	}
	done, r := int64(100), int64(0)
	for i := 2; i < 40; i++ {
		done += 1000
		r = m.rate(time.Duration(i)*time.Second, done)
	}
	if r < 900 || r > 1000 {
		t.Errorf("after a change to 1000/s: %d", r)
	}
}
