package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Outcome is what became of a deed.
type Outcome string

const (
	Unpaused Outcome = "unpaused"
	Started  Outcome = "started"
	Removed  Outcome = "removed meanwhile" // somebody deleted the container
	Changed  Outcome = "changed meanwhile" // somebody thawed, started or replaced it; left as it is
	Undid    Outcome = "not done"          // the deed itself never took effect
)

const (
	// inFlight is how long a request of a dead owner may take to reach the engine and
	// have effect, beside a container's own time to stop.
	inFlight = 5 * time.Second
	// callTimeout bounds one request; the state decides afterwards what it did.
	callTimeout  = 30 * time.Second
	startTimeout = 2 * time.Minute // volumes may have to be mounted
	firstDelay   = 50 * time.Millisecond
	longestDelay = 2 * time.Second
)

// undoer undoes deeds on one engine.
type undoer struct {
	eng      Engine
	j        *journal
	by       string // for the journal: who undoes
	rebooted bool   // the deeds are of an earlier boot
	// age is how long before run the last deed was begun at least.
	age time.Duration
	// direct is set by the living owner, which knows what it did: it thaws without a look
	// first.
	direct bool
	// report is told every outcome, one at a time; may be nil.
	report func(*deed, Outcome)
	last   time.Time // when the last deed was undone, by the journal's clock
}

// run undoes until nothing is left, or limit has passed, or ctx is done; then it answers
// with why the rest is not undone.
func (u *undoer) run(ctx context.Context, deeds []*deed, limit time.Duration) error {
	begin, delay := time.Now(), firstDelay
	for {
		left, err := u.pass(ctx, deeds, u.age+time.Since(begin))
		if len(left) == 0 {
			return nil
		}
		if time.Since(begin) > limit {
			if err == nil {
				err = fmt.Errorf("still under way after %v", limit)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(delay):
		}
		if err != nil {
			delay = min(2*delay, longestDelay)
		}
		deeds = left
	}
}

// pass tries every deed once: what was paused at once, then what was stopped, level by
// level against the stop order. It answers with what is left, and why.
func (u *undoer) pass(ctx context.Context, deeds []*deed, age time.Duration) ([]*deed, error) {
	var left []*deed
	var errs []error
	for _, level := range undoOrder(deeds) {
		outcomes := make([]Outcome, len(level))
		failed := make([]error, len(level))
		var wg sync.WaitGroup
		for i, d := range level {
			wg.Go(func() { outcomes[i], failed[i] = u.step(ctx, d, age) })
		}
		wg.Wait()
		u.last = u.j.now()
		var done []record
		for i, d := range level {
			if outcomes[i] == "" {
				left = append(left, d)
				if failed[i] != nil {
					errs = append(errs, fmt.Errorf("undo %s of %s: %w", d.mode, d.target.Name, failed[i]))
				}
				continue
			}
			d.undone = true
			done = append(done, record{Op: opUndone, Seq: d.seq, By: u.by, Outcome: outcomes[i]})
			if u.report != nil {
				u.report(d, outcomes[i])
			}
		}
		if len(done) > 0 {
			// Without the record the deed is looked at once more later, and found undone.
			_ = u.j.append(true, done...)
		}
	}
	return left, errors.Join(errs...)
}

// undoOrder puts deeds into levels: the paused first, then the stopped, last stopped first.
func undoOrder(deeds []*deed) [][]*deed {
	var paused []*deed
	stopped := map[int][]*deed{}
	top := -1
	for _, d := range deeds {
		if d.mode == Pause {
			paused = append(paused, d)
			continue
		}
		stopped[d.level] = append(stopped[d.level], d)
		top = max(top, d.level)
	}
	var levels [][]*deed
	if len(paused) > 0 {
		levels = append(levels, paused)
	}
	for l := top; l >= 0; l-- {
		if len(stopped[l]) > 0 {
			levels = append(levels, stopped[l])
		}
	}
	return levels
}

// step tries one deed. No outcome and no error: a request may still be under way.
func (u *undoer) step(ctx context.Context, d *deed, age time.Duration) (Outcome, error) {
	if d.mode == Pause {
		return u.unpause(ctx, d, age)
	}
	return u.start(ctx, d, age)
}

func (u *undoer) unpause(ctx context.Context, d *deed, age time.Duration) (Outcome, error) {
	if u.direct && d.certain {
		if call(ctx, callTimeout, d.target.ID, u.eng.Unpause) == nil {
			return Unpaused, nil
		}
	}
	s, err := inspect(ctx, u.eng, d.target.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return Removed, nil
	case err != nil:
		return "", err
	case !s.Running:
		return u.revive(ctx, d, s)
	case !s.Paused && d.certain:
		return Changed, nil
	case !s.Paused && age < inFlight:
		return "", nil
	case !s.Paused:
		return Undid, nil
	case u.foreign(d, s):
		return Changed, nil
	}
	if err := call(ctx, callTimeout, d.target.ID, u.eng.Unpause); err != nil {
		return "", err
	}
	return Unpaused, nil
}

// revive deals with a container that was paused by us and is stopped now. The engine may
// have gone down with it, and not every engine brings such a container back although its
// policy says so. Beside a living owner, that is left to whoever stopped it.
func (u *undoer) revive(ctx context.Context, d *deed, s State) (Outcome, error) {
	if u.direct || u.rebooted || !s.Restarts || !s.StartedAt.Equal(d.startedAt) {
		return Changed, nil
	}
	if err := call(ctx, startTimeout, s.ID, u.eng.Start); err != nil {
		return "", err
	}
	return Started, nil
}

func (u *undoer) start(ctx context.Context, d *deed, age time.Duration) (Outcome, error) {
	s, err := inspect(ctx, u.eng, d.target.ID)
	if errors.Is(err, ErrNotFound) {
		return u.startSuccessor(ctx, d)
	}
	switch {
	case err != nil:
		return "", err
	case s.Running && d.certain:
		return Changed, nil
	case s.Running && (d.stopTimeout < 0 || age < d.stopTimeout+inFlight):
		return "", nil
	case s.Running:
		return Undid, nil
	case u.foreign(d, s):
		return Changed, nil
	}
	if err := call(ctx, startTimeout, s.ID, u.eng.Start); err != nil {
		return "", err
	}
	return Started, nil
}

// startSuccessor deals with a container that was stopped by us and then replaced: its
// successor is started if it never ran; if it did, somebody looks after it.
func (u *undoer) startSuccessor(ctx context.Context, d *deed) (Outcome, error) {
	s, err := u.successor(ctx, d.target)
	switch {
	case errors.Is(err, ErrNotFound):
		return Removed, nil
	case err != nil:
		return "", err
	case s.Running || !s.StartedAt.IsZero():
		return Changed, nil
	}
	if err := call(ctx, startTimeout, s.ID, u.eng.Start); err != nil {
		return "", err
	}
	return Started, nil
}

// successor finds the container that took the place of t: by name, else by compose labels.
func (u *undoer) successor(ctx context.Context, t Target) (State, error) {
	s, err := inspect(ctx, u.eng, t.Name)
	if !errors.Is(err, ErrNotFound) || t.Service == "" {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all, err := u.eng.ByService(ctx, t.Project, t.Service)
	if err != nil {
		return State{}, err
	}
	for _, s := range all {
		if s.Number == t.Number {
			return s, nil
		}
	}
	return State{}, ErrNotFound
}

// foreign tells that the container was started again since the deed, so that what it is
// now is somebody else's doing. Without a confirmed deed only a reboot makes that certain.
func (u *undoer) foreign(d *deed, s State) bool {
	return (d.certain || u.rebooted) && !s.StartedAt.Equal(d.startedAt)
}

func inspect(ctx context.Context, eng Engine, ref string) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return eng.Inspect(ctx, ref)
}

func call(ctx context.Context, limit time.Duration, id string, f func(context.Context, string) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx, id)
}
