package repo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stepWait is the step of a session that waits for a removal to end.
const stepWait = "wait for done"

const (
	maxSession = gcKept - 2*24*time.Hour
)

// learnCondemned makes what removals are about to take unknown to this process.
// It comes after the session's file is there: a removal that this does not see
// sees the session, and waits for its end.
func (s *Session) learnCondemned(ctx context.Context) error {
	runs, err := s.repo.gcRuns(ctx)
	if err != nil {
		return err
	}
	s.repo.at("learn")
	s.gcDone = make(map[int64]bool)
	var pending []Blob
	for _, run := range runs {
		s.gcDone[run.number] = run.isDone()
		if run.isDone() {
			continue
		}
		set, err := s.repo.condemned(ctx, run.number)
		if err != nil {
			return err
		}
		pending = append(pending, set.blobs...)
	}
	return s.repo.index.SetCondemned(newDigestSet(pending), func(b Blob) (bool, error) {
		there, err := s.repo.isThere(ctx, b.Digest)
		return !there, err
	})
}

// offer is a ref that was put, and is to be confirmed.
type offer struct {
	rescuer
	ref   ref             // as it was when its blobs were looked for
	heads map[string]Head // of a new one, as numberRef returned them
}

// offerRef puts a ref after everything that it leads to was rescued from the
// removals that are going on. One that is there again is put as it was.
func (s *Session) offerRef(ctx context.Context, f *ref, again bool) (*offer, error) {
	if age := s.repo.opt.Now().Sub(s.began); age > maxSession {
		return nil, fmt.Errorf("the session is %d days old: removals that it knows nothing of may be forgotten by now", age/(24*time.Hour))
	}
	o := &offer{rescuer: rescuer{session: s, snapshot: f.ID, settled: make(map[int64]bool)}, ref: *f}
	if err := o.held(ctx); err != nil {
		return nil, err
	}
	var seen int64
	steps := []func(context.Context) error{func(ctx context.Context) (err error) {
		seen, err = o.all(ctx, o.ref)
		return err
	}}
	if !again {
		steps = append(steps, func(ctx context.Context) (err error) {
			o.heads, err = s.repo.numberRef(ctx, f)
			return err
		})
	}
	if err := s.repo.together(ctx, steps...); err != nil {
		return nil, err
	}
	if err := s.Sync(ctx); err != nil {
		return nil, err
	}
	s.repo.at("ref")
	if err := s.repo.putRef(ctx, f, seen, again); err != nil {
		return nil, err
	}
	s.repo.at("after ref")
	return o, nil
}

// confirm looks whether a later removal took some of it nevertheless, and withdraws it then.
func (o *offer) confirm(ctx context.Context) error {
	_, err := o.all(ctx, o.ref)
	if err == nil {
		err = o.session.Sync(ctx)
	}
	if err != nil {
		err = errors.Join(err, o.session.repo.removeRef(context.WithoutCancel(ctx), o.snapshot))
	}
	return err
}

// rescuer speaks for the blobs of one snapshot.
type rescuer struct {
	session  *Session
	snapshot string
	graph    *graph // the snapshot, once it was needed
	settled  map[int64]bool
	files    int
}

// held speaks for the documents that were put under condemned names: before
// that, not even the snapshot can be read to its end.
func (c *rescuer) held(ctx context.Context) error {
	list := c.session.repo.index.heldBy(c.session.id)
	if len(list) == 0 {
		return nil
	}
	blobs := make([]Blob, len(list))
	for i, h := range list {
		blobs[i] = h.blob
	}
	runs, err := c.pending(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if err := c.rescue(ctx, run.number, blobs); err != nil {
			return err
		}
	}
	for _, h := range list {
		c.session.repo.index.AddSaved(h.blob)
		c.session.repo.index.letGo(h)
	}
	return nil
}

// pending lists the removals that may take something from this session.
func (c *rescuer) pending(ctx context.Context) ([]gcRun, error) {
	runs, err := c.session.repo.gcRuns(ctx)
	if err != nil {
		return nil, err
	}
	var pending []gcRun
	for _, run := range runs {
		if !c.session.gcDone[run.number] {
			pending = append(pending, run)
		}
	}
	return pending, nil
}

// all speaks for everything that the ref leads to, in every removal once. It
// returns the newest removal that it has seen.
func (c *rescuer) all(ctx context.Context, f ref) (seen int64, err error) {
	runs, err := c.pending(ctx)
	if err != nil {
		return 0, err
	}
	for _, run := range runs {
		if c.settled[run.number] {
			continue
		}
		if c.graph == nil {
			c.graph = newGraph(c.session.repo)
			_, err := c.graph.addRef(ctx, f)
			if err != nil {
				return 0, c.session.repo.removedIf(ctx, f.ID, err)
			}
		}
		if err := c.rescue(ctx, run.number, c.graph.blobs()); err != nil {
			return 0, err
		}
		c.settled[run.number] = true
	}
	return max(highestGC(runs), c.session.gcSeen), nil
}

// rescue keeps a removal from taking blobs: either it sees what is asked for
// here, or it has begun, and what it took is put back when it is over.
func (c *rescuer) rescue(ctx context.Context, number int64, blobs []Blob) error {
	r := c.session.repo
	condemned, err := r.condemned(ctx, number)
	if err != nil {
		return err
	}
	var wanted []Blob
	for _, b := range blobs {
		if condemned.Has(b.Digest) {
			wanted = append(wanted, b)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	r.at("rescue")
	c.files++
	name := fmt.Sprintf("%s-%d", c.session.id, c.files)
	if err := r.writeDigests(ctx, gcPath(number, rescueDir, name), uint64(number), wanted); err != nil {
		return fmt.Errorf("ask removal %d to spare blobs: %w", number, err)
	}
	r.at("rescued")
	sweeping, err := r.gcHas(ctx, number, sweepingFile)
	if err != nil {
		return err
	}
	if !sweeping {
		return c.check(ctx, wanted)
	}
	release, err := r.waitForSweep(ctx, number)
	if err != nil {
		return err
	}
	defer release()
	return c.check(ctx, wanted)
}

// waitForSweep returns when a removal is done, or when nobody is at work at it:
// then with the lock that keeps others from it.
func (r *Repository) waitForSweep(ctx context.Context, number int64) (release func(), err error) {
	for {
		r.at(stepWait)
		done, err := r.gcHas(ctx, number, doneFile)
		if err != nil || done {
			return func() {}, err
		}
		lock, err := r.tryGCLock(ctx)
		if err == nil {
			return lock.Release, nil
		}
		if locked := (*LockedError)(nil); !errors.As(err, &locked) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(r.lockPause()):
		}
	}
}

// removedIf makes a *RemovedError of one that tells of a damaged blob, if that is gone.
func (r *Repository) removedIf(ctx context.Context, snapshot string, err error) error {
	damaged := (*DamagedError)(nil)
	if !errors.As(err, &damaged) {
		return err
	}
	there, lookErr := r.isThere(ctx, damaged.Digest)
	if lookErr != nil {
		return lookErr
	}
	if there {
		return err
	}
	return &RemovedError{Snapshot: snapshot, Blobs: 1, First: damaged.Digest}
}

// check puts back what is missing and makes all known again.
func (c *rescuer) check(ctx context.Context, wanted []Blob) error {
	r := c.session.repo
	if err := r.index.Refresh(ctx); err != nil {
		return err
	}
	found, err := r.haveFiles(ctx, wanted)
	if err != nil {
		return err
	}
	lost := &RemovedError{Snapshot: c.snapshot}
	for i, b := range wanted {
		there := found[i].whole(b)
		if !there {
			if there, err = c.session.putBack(ctx, b.Digest); err != nil {
				return fmt.Errorf("put blob %s back: %w", b.Digest, err)
			}
		}
		switch {
		case !there:
			lost.Blobs, lost.First = lost.Blobs+1, b.Digest
		case !r.index.indexed(b):
			r.index.AddSaved(b)
		}
	}
	if lost.Blobs > 0 {
		return lost
	}
	return nil
}
