package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"
)

// The values of --progress.
const (
	progressAuto  = "auto"
	progressPlain = "plain"
	progressJSON  = "json"
	progressNone  = "none"
)

const (
	barInterval   = 100 * time.Millisecond
	jsonInterval  = time.Second
	plainInterval = 30 * time.Second
)

// progress shows how far a long piece of work is. The work itself only bumps counters and queues lines; one
// goroutine of its own writes, so a slow or stopped terminal cannot hold the work up. All methods may be called
// concurrently; after close nothing is written any more.
type progress struct {
	total, done atomic.Int64
	item        atomic.Pointer[string]
	started     time.Time

	mu     sync.Mutex
	lines  []string
	wake   chan struct{}
	stop   chan struct{}
	ended  chan struct{}
	closed sync.Once
}

// checkProgress refuses a --progress that means nothing, before anything is done.
func checkProgress(c *cli.Context) error {
	switch how := c.String("progress"); how {
	case "", progressAuto, progressPlain, progressJSON, progressNone: // "": the command shows none
		return nil
	default:
		return misuse(c, fmt.Sprintf("unknown value for --progress: %s", how), "auto, plain, json or none")
	}
}

// startProgress begins to show progress as --progress asks. The caller closes it.
func (h *host) startProgress(c *cli.Context, verb string) *progress {
	return h.startProgressAs(c.String("progress"), verb)
}

// startProgressAs is startProgress with a value of --progress.
func (h *host) startProgressAs(how, verb string) *progress {
	p := &progress{started: h.now(), wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	var d display = &plainLines{w: h.err, verb: verb}
	interval := plainInterval
	switch {
	case how == progressAuto && h.errTTY:
		d, interval = newBar(h, verb), barInterval
	case how == progressJSON:
		d, interval = &jsonLines{w: h.err}, jsonInterval
	case how == progressNone:
		d = &plainLines{w: h.err, verb: verb, silent: true}
	}
	go p.show(d, h.now, interval)
	return p
}

// Start implements backup.Reporter. Of work that begins without bytes what was done before is not shown.
func (p *progress) Start(bytes, _ int64) {
	if p.total.Store(bytes); bytes == 0 {
		p.done.Store(0)
	}
}

// Item implements backup.Reporter.
func (p *progress) Item(name string) { p.item.Store(&name) }

// Add implements backup.Reporter.
func (p *progress) Add(bytes int64) { p.done.Add(bytes) }

// Done implements backup.Reporter. The bar goes when the caller closes it: there may be lines still to say.
func (p *progress) Done() {}

// Say queues a line that is to be read now and stays on the screen.
func (p *progress) Say(line string) {
	p.mu.Lock()
	p.lines = append(p.lines, line)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// close writes what is queued, removes the bar and waits until that has happened.
func (p *progress) close() {
	p.closed.Do(func() { close(p.stop) })
	<-p.ended
}

func (p *progress) show(d display, now func() time.Time, interval time.Duration) {
	defer close(p.ended)
	asked := make(chan os.Signal, 1)
	if signals := stateSignals(); len(signals) > 0 { // without any, Notify would take all
		signal.Notify(asked, signals...)
	}
	defer signal.Stop(asked)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	meter := &rateMeter{}
	for {
		select {
		case <-tick.C:
			d.paint(p.state(now(), meter))
		case <-asked:
			d.say(p.state(now(), meter).line())
		case <-p.wake:
			p.sayQueued(d)
		case <-p.stop:
			p.sayQueued(d)
			d.end()
			return
		}
	}
}

func (p *progress) sayQueued(d display) {
	p.mu.Lock()
	lines := p.lines
	p.lines = nil
	p.mu.Unlock()
	for _, line := range lines {
		d.say(line)
	}
}

// progressState is one moment of a run.
type progressState struct {
	Type    string  `json:"type"`
	Item    string  `json:"item,omitempty"`
	Done    int64   `json:"bytes_done"`
	Total   int64   `json:"bytes_total,omitempty"`
	Rate    int64   `json:"bytes_per_second"`
	Elapsed float64 `json:"seconds"`
	Left    float64 `json:"seconds_left,omitempty"`
}

func (p *progress) state(now time.Time, m *rateMeter) progressState {
	s := progressState{Type: "progress", Done: p.done.Load(), Total: p.total.Load(), Elapsed: now.Sub(p.started).Seconds()}
	if name := p.item.Load(); name != nil {
		s.Item = *name
	}
	s.Rate = m.rate(now.Sub(p.started), s.Done)
	if s.Total > s.Done && s.Rate > 0 {
		s.Left = float64(s.Total-s.Done) / float64(s.Rate)
	}
	return s
}

// percent is never above 100: files grow while they are read.
func (s progressState) percent() int64 { return min(100, s.Done*100/max(1, s.Total)) }

// line says everything in one line; numbers leaves out the percentage.
func (s progressState) line() string {
	if s.Total <= 0 {
		return s.numbers()
	}
	return fmt.Sprintf("%d %%, %s", s.percent(), s.numbers())
}

func (s progressState) numbers() string {
	if s.Total <= 0 && s.Done == 0 && s.Item != "" {
		return s.Item
	}
	parts := []string{size(s.Done)}
	if s.Total > 0 {
		parts[0] += " of " + size(s.Total)
	}
	parts = append(parts, size(s.Rate)+"/s")
	if s.Left >= 1 {
		parts = append(parts, span(time.Duration(s.Left)*time.Second)+" left")
	}
	if s.Item != "" {
		parts = append(parts, s.Item)
	}
	return strings.Join(parts, ", ")
}

// rateMeter smooths bytes per second over the last ten seconds or so.
type rateMeter struct {
	at       time.Duration
	done     int64
	smoothed float64
}

func (m *rateMeter) rate(elapsed time.Duration, done int64) int64 {
	seconds := (elapsed - m.at).Seconds()
	if seconds <= 0 {
		return int64(m.smoothed)
	}
	current := float64(max(0, done-m.done)) / seconds
	weight := min(1, seconds/10)
	if m.at == 0 {
		weight = 1
	}
	m.smoothed += (current - m.smoothed) * weight
	m.at, m.done = elapsed, done
	return int64(m.smoothed)
}
