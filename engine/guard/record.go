package guard

import "time"

// version is the journal format this package writes, and the newest it reads.
const version = 1

// JournalVersion is the version of the journals that this package writes, and the newest that it reads.
const JournalVersion = version

type op string

const (
	opOpen    op = "open"    // first line: who owns the journal
	opGuard   op = "guard"   // a guard waits
	opIntend  op = "intend"  // a deed is about to be done
	opDid     op = "did"     // the engine has confirmed the deed
	opExpired op = "expired" // the guard is about to end the deed although the owner lives
	opUndone  op = "undone"  // nothing is left to undo of the deed
)

// record is one line of a journal. Which fields are set depends on Op.
type record struct {
	V    int       `json:"v"`
	Op   op        `json:"op"`
	Time time.Time `json:"time"`

	Process  *Process      `json:"process,omitempty"` // open, guard
	Endpoint string        `json:"endpoint,omitempty"`
	Limit    time.Duration `json:"limit_ns,omitempty"`

	Seq         int           `json:"seq,omitempty"` // number of the deed, from 1
	Mode        Mode          `json:"mode,omitempty"`
	Target      *Target       `json:"target,omitempty"`
	Level       int           `json:"level,omitempty"` // place in the stop order
	Hold        time.Duration `json:"hold_ns,omitempty"`
	StartedAt   time.Time     `json:"started_at,omitzero"` // intend: before; did: after
	StopTimeout time.Duration `json:"stop_timeout_ns,omitempty"`

	By      string  `json:"by,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
}

// deed is what a journal says about one container that was paused or stopped.
type deed struct {
	seq         int
	mode        Mode
	target      Target
	level       int
	hold        time.Duration // 0: no limit
	startedAt   time.Time     // of the container: after the deed if certain, else before
	stopTimeout time.Duration
	certain     bool // the engine confirmed it; otherwise a request may still be under way
	expired     bool
	undone      bool
	seen        time.Time // when this process first read of it
}

// ledger is a journal's content, summed up. It never forgets a deed.
type ledger struct {
	head    record // the open record
	newer   int    // version of the first record this davit cannot read, or 0
	damaged int    // lines that are no records: torn by the writer's death
	deeds   []*deed
	last    time.Time // of the last record, by its writer's clock
}

// add takes in one record.
func (l *ledger) add(r record, now time.Time) {
	if r.V > version {
		if l.newer == 0 {
			l.newer = r.V
		}
		return
	}
	l.last = r.Time
	switch r.Op {
	case opOpen:
		l.head = r
	case opIntend:
		if r.Target == nil {
			l.damaged++
			return
		}
		l.deeds = append(l.deeds, &deed{seq: r.Seq, mode: r.Mode, target: *r.Target, level: r.Level,
			hold: r.Hold, startedAt: r.StartedAt, stopTimeout: r.StopTimeout, seen: now})
	default:
		if d := l.deed(r.Seq); d != nil {
			d.apply(r)
		}
	}
}

func (d *deed) apply(r record) {
	switch r.Op {
	case opDid:
		d.certain = true
		d.startedAt = r.StartedAt
	case opExpired:
		d.expired = true
	case opUndone:
		d.undone = true
	}
}

func (l *ledger) deed(seq int) *deed {
	for _, d := range l.deeds {
		if d.seq == seq {
			return d
		}
	}
	return nil
}

// outstanding lists the deeds that are not undone, in the order they were done.
func (l *ledger) outstanding() []*deed {
	var out []*deed
	for _, d := range l.deeds {
		if !d.undone {
			out = append(out, d)
		}
	}
	return out
}
