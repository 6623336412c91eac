package verified

import (
	"maps"
	"sync"
	"time"

	"davit/backup/repo"
)

// Log is what is remembered of one repository. Its methods may be called concurrently.
type Log struct {
	path string

	mu    sync.Mutex
	newer bool // the file is a newer davit's
	head  header
	times map[repo.Digest]int64 // Unix nanoseconds
}

// header is all but the times.
type header struct {
	Key     string            `json:"key"`               // repository and place
	Ahead   int64             `json:"ahead"`             // what runs of a share have read beyond it, in parts of bytes
	Runs    map[string]Run    `json:"runs,omitempty"`    // that have not come to their end, by the snapshot or item; "" is all
	Damaged map[string]string `json:"damaged,omitempty"` // why, by digest
	Last    *Last             `json:"last,omitempty"`
}

// Last is the newest run that came to its end and looked at all snapshots.
type Last struct {
	Time    time.Time `json:"time"`
	Data    bool      `json:"data"`    // it read data: all, or a share
	Damaged int       `json:"damaged"` // blobs
}

// Run is a run that has not come to its end.
type Run struct {
	Begun  time.Time `json:"begun"`
	Target int64     `json:"target"` // parts of bytes; of a run that reads everything -1
}

// goesOn bounds how old a run may be that is taken up again.
const goesOn = 7 * 24 * time.Hour

// Begin decides what a run reads of blobs, which are all that it looks at: everything with a share of All,
// else what is due until the share is reached. What is the snapshot or item that is meant, "" for all. A run
// of the same that was cut short is gone on with, unless again is set. The run lasts until End.
func (l *Log) Begin(now time.Time, what string, share Share, again bool, blobs *Blobs) Plan {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, run := range l.head.Runs {
		if run.Begun.After(now) || now.Sub(run.Begun) >= goesOn {
			delete(l.head.Runs, other)
		}
	}
	plan := Plan{}
	run, known := l.head.Runs[what]
	if known && !again && (run.Target < 0) == (share == All) {
		plan.Since = run.Begun
	} else {
		run = Run{Begun: now, Target: -1}
		if share < All {
			parts := int64(share) * blobs.Bytes
			run.Target = max(0, parts-l.head.Ahead)
			l.head.Ahead = max(0, l.head.Ahead-parts)
		}
		if l.head.Runs == nil {
			l.head.Runs = make(map[string]Run)
		}
		l.head.Runs[what] = run
	}
	l.choose(&plan, run, now, blobs)
	return plan
}

// Good notes that a blob was read and is good.
func (l *Log) Good(d repo.Digest, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times[d] = now.UnixNano()
	delete(l.head.Damaged, d.String())
}

// Bad notes that a blob was read, or could not be, and is damaged.
func (l *Log) Bad(d repo.Digest, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head.Damaged == nil {
		l.head.Damaged = make(map[string]string)
	}
	l.head.Damaged[d.String()] = reason
	delete(l.times, d)
}

// End ends the run that Begin began. What is not among the blobs of a run that looked at everything is forgotten.
func (l *Log) End(what string, blobs *Blobs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	run, ok := l.head.Runs[what]
	if !ok {
		return
	}
	delete(l.head.Runs, what)
	if run.Target >= 0 {
		l.head.Ahead = min(l.head.Ahead+max(0, int64(All)*l.readSince(run.Begun, blobs)-run.Target), int64(All)*blobs.Bytes)
	}
	if what != "" {
		return
	}
	needed := make(map[string]bool)
	for d := range blobs.Sizes {
		if _, ok := l.head.Damaged[d.String()]; ok {
			needed[d.String()] = true
		}
	}
	maps.DeleteFunc(l.head.Damaged, func(d, _ string) bool { return !needed[d] })
	maps.DeleteFunc(l.times, func(d repo.Digest, _ int64) bool {
		_, needed := blobs.Sizes[d]
		return !needed
	})
}

// readSince adds up what was read and found good.
func (l *Log) readSince(begun time.Time, blobs *Blobs) (bytes int64) {
	for d, size := range blobs.Sizes {
		if l.times[d] >= begun.UnixNano() {
			bytes += size
		}
	}
	return bytes
}

// Ended notes a run of all snapshots that came to its end.
func (l *Log) Ended(last Last) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head.Last = &last
}

// Last is what Ended noted; nil: no run has come to its end. What was found damaged, by whatever run, and not good since, counts.
func (l *Log) Last() *Last {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head.Last == nil {
		return nil
	}
	last := *l.head.Last
	last.Damaged = max(last.Damaged, len(l.head.Damaged))
	return &last
}

// Damaged tells what was found damaged and not good since.
func (l *Log) Damaged() []repo.Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]repo.Digest, 0, len(l.head.Damaged))
	for text := range l.head.Damaged {
		if d, err := repo.ParseDigest(text); err == nil {
			list = append(list, d)
		}
	}
	return list
}

// Summary says how much of the data was read from here, and when the part of it that is due next was.
type Summary struct {
	Blobs     int       `json:"blobs"`
	Bytes     int64     `json:"bytes"`
	ReadBlobs int       `json:"read_blobs"` // and found good
	ReadBytes int64     `json:"read_bytes"`
	Since     time.Time `json:"since,omitzero"` // all of these were read then or later
}

// Summary adds up what is known of blobs.
func (l *Log) Summary(now time.Time, blobs *Blobs) Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Summary{Blobs: len(blobs.Sizes), Bytes: blobs.Bytes}
	oldest := now.UnixNano()
	for d, size := range blobs.Sizes {
		if at := l.when(d, now); at > 0 {
			s.ReadBlobs, s.ReadBytes, oldest = s.ReadBlobs+1, s.ReadBytes+size, min(oldest, at)
		}
	}
	if s.ReadBlobs > 0 {
		s.Since = time.Unix(0, oldest).UTC()
	}
	return s
}

// when is the time at which a blob was read, 0 for never.
func (l *Log) when(d repo.Digest, now time.Time) int64 {
	if at := l.times[d]; at <= now.UnixNano() {
		return at
	}
	return 0
}
