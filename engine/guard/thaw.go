package guard

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// thawTimeout is how long the owner itself tries to thaw before it leaves that to the guard.
const thawTimeout = time.Minute

// byOwner is how a journal calls davit itself.
const byOwner = "owner"

// Frozen is a group of containers that stand still until Thaw.
type Frozen struct {
	g     *Guard
	eng   Engine
	j     *journal
	deeds []*deed
	began time.Time

	mu   sync.Mutex
	idle []State // not running, or paused, without our doing

	once sync.Once
	held Held
	err  error
}

// Names lists the containers that were frozen.
func (f *Frozen) Names() []string {
	var names []string
	for _, d := range f.deeds {
		if d.certain {
			names = append(names, d.target.Name)
		}
	}
	return names
}

// Thaw undoes the freeze, also when ctx is done. It tries for a minute; the containers of
// which its error then speaks are left to the guard. Only the first call does anything,
// later ones answer the same.
func (f *Frozen) Thaw(ctx context.Context) (Held, error) {
	f.once.Do(func() { f.held, f.err = f.thaw(context.WithoutCancel(ctx)) })
	return f.held, f.err
}

func (f *Frozen) thaw(ctx context.Context) (Held, error) {
	var held Held
	if len(f.deeds) > 0 {
		held.Expired = f.expired()
		u := undoer{eng: f.eng, j: f.j, by: byOwner, direct: true, report: func(d *deed, o Outcome) {
			// A pause or stop that never took effect is no one else's doing.
			if o != Unpaused && o != Started && d.certain {
				held.Disturbed = append(held.Disturbed, d.target.Name)
			}
		}}
		err := u.run(ctx, f.outstanding(), thawTimeout)
		held.Duration = u.last.Sub(f.began)
		if err != nil {
			held.Duration = f.g.o.Now().Sub(f.began)
			return held, fmt.Errorf("thaw: %w", err)
		}
	}
	held.Disturbed = append(held.Disturbed, f.woken(ctx)...)
	return held, nil
}

func (f *Frozen) outstanding() []*deed {
	l := ledger{deeds: f.deeds}
	return l.outstanding()
}

// expired asks the journal whether the guard has ended the freeze; what it has undone
// already is then not ours to undo again. The guard writes that before it thaws, so what
// was read before a "no" was read from standing containers.
func (f *Frozen) expired() bool {
	t := tail{j: f.j}
	if err := t.read(); err != nil {
		return true // nobody can tell: assume the worse
	}
	any := false
	for _, d := range f.deeds {
		l := t.deed(d.seq)
		if l == nil || l.expired {
			any = true
		}
		if l != nil && l.undone {
			d.undone = true
		}
	}
	return any
}

// woken names the containers that were idle before the freeze and are not any more.
func (f *Frozen) woken(ctx context.Context) []string {
	var names []string
	for _, was := range f.idle {
		if s, err := inspect(ctx, f.eng, was.ID); err == nil && s.Running && !s.Paused {
			names = append(names, was.Name)
		}
	}
	return names
}
