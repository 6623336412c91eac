package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"davit/backup/chunk"
	"davit/engine/hostfs"
)

const (
	// maxWarmPasses bounds the passes before a freeze; each must shrink the delta to go on.
	maxWarmPasses = 5
	// smallDelta is read in well under a second: no need for another warm pass.
	smallDelta = 16 << 20
	// shrinks is how much smaller a delta must be than the one before, in percent.
	shrinks = 70
	// spoolLimit bounds the delta of one freeze.
	spoolLimit = 4 << 30
)

// saveGroup saves the items of one group: warm passes, then the delta while its containers are held.
func (r *createRun) saveGroup(ctx context.Context, g *Group, items []*PlannedItem) (err error) {
	if err := r.checkRoom(); err != nil {
		return err
	}
	begin := r.env.Now()
	var trees []*tree
	defer func() {
		for _, t := range trees {
			err = errors.Join(err, t.close(ctx))
		}
	}()
	for _, it := range items {
		t, err := r.openTree(ctx, it)
		if err != nil {
			if err := r.fail(ctx, it, err); err != nil {
				return err
			}
			continue
		}
		trees = append(trees, t)
	}
	if trees, err = r.warm(ctx, trees); err != nil || len(trees) == 0 {
		return err
	}
	if trees, err = r.readGroup(ctx, g, trees); err != nil {
		return err
	}
	for _, t := range trees {
		if err := r.finishTree(ctx, t, r.env.Now().Sub(begin)); err != nil {
			return err
		}
	}
	return nil
}

// warm makes passes while the containers run, until what changes between two of them is
// little or gets no less. It returns the trees that could be read.
func (r *createRun) warm(ctx context.Context, trees []*tree) ([]*tree, error) {
	var last int64
	for pass := 1; ; pass++ {
		var progress chunk.Progress
		if pass == 1 {
			progress = r.progress
		}
		readable, delta, err := r.pass(ctx, trees, progress, true)
		if err != nil {
			return nil, err
		}
		trees = readable
		if !anotherPass(pass, delta, last) {
			return trees, nil
		}
		last = delta
	}
}

// pass reads each tree once and returns those that could be read, and how much that was.
func (r *createRun) pass(ctx context.Context, trees []*tree, progress chunk.Progress, warm bool) (readable []*tree, read int64, err error) {
	for _, t := range trees {
		r.env.reporter().Item(t.item.Ref())
		before := t.read
		if err := t.save(ctx, r.newSaver(progress), t.firstOptions(warm, &r.plan.Options)); err != nil {
			if err := r.fail(ctx, t.item, err); err != nil {
				return nil, 0, err
			}
			continue
		}
		read += t.read - before
		readable = append(readable, t)
	}
	return readable, read, nil
}

// anotherPass decides whether one more warm pass makes the freeze shorter. What the first
// pass read says nothing about how fast data changes.
func anotherPass(pass int, delta, last int64) bool {
	switch {
	case pass >= maxWarmPasses || delta <= smallDelta:
		return false
	case pass == 1:
		return true
	case pass == 2:
		return delta < last
	}
	return delta < last/100*shrinks
}

// readFrozen reads the delta of a group while its containers are held, lets them go, calls released, and
// stores the delta. A tree that could not be read in time is read again with the containers running,
// and marked.
func (r *createRun) readFrozen(ctx context.Context, g *Group, trees []*tree, released func()) error {
	spool, err := r.newSpool()
	if err != nil {
		return err
	}
	defer spool.Close()
	for _, t := range trees {
		// What is written out now need not be while the containers wait.
		if _, err := t.files.Settle(r.env.Now); err != nil {
			return r.fail(ctx, t.item, err)
		}
	}
	snapshots, err := r.prepareFS(trees)
	if err != nil {
		return err
	}
	defer func() {
		for _, t := range trees {
			t.release()
		}
		if err := snapshots.remove(); err != nil {
			r.report.Notes = append(r.report.Notes, err.Error()+"; the next run, or davit recover, tries again")
		}
	}()
	// Nor is anything sent while they do.
	if err := r.session.Settle(ctx); err != nil {
		return err
	}
	r.env.reporter().Item("freeze " + joinNames(memberNames(g, HoldPause, HoldStop)))
	err = r.freezeAndRead(ctx, g, trees, spool, snapshots)
	released()
	if err != nil {
		return err
	}
	for _, t := range trees {
		if err := r.settle(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// freezeAndRead holds the containers and reads every tree into its pending part.
func (r *createRun) freezeAndRead(ctx context.Context, g *Group, trees []*tree, spool *chunk.Spool, snapshots *fsSnapshots) error {
	f, err := r.freeze(ctx, g)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		for _, t := range trees {
			t.unsettled = err.Error()
		}
		return nil
	}
	reading, cancel := context.WithTimeoutCause(ctx, r.plan.Options.MaxFreeze, errMaxFreeze)
	snapshots.make(r.env.Now)
	saver := r.newSaver(nil)
	for _, t := range trees {
		if t.snapshot != nil && t.snapshot.made {
			continue
		}
		t.pending, err = saver.Read(reading, t.files, t.cache, spool, t.options(false))
		if err != nil {
			t.pending, t.unsettled = nil, r.whyNotFrozen(reading, err)
		}
	}
	exceeded := errors.Is(context.Cause(reading), errMaxFreeze)
	cancel()
	held, err := f.thaw(ctx, exceeded)
	r.report.Freezes = append(r.report.Freezes, held.freeze)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, t := range trees {
		if t.unsettled == "" {
			t.unsettled = held.broken
		}
	}
	return nil
}

// errMaxFreeze ends the reading of a group that takes too long.
var errMaxFreeze = errors.New("the freeze took too long")

func (r *createRun) whyNotFrozen(reading context.Context, err error) string {
	switch {
	case errors.Is(context.Cause(reading), errMaxFreeze):
		return fmt.Sprintf("not all could be read within %v", r.plan.Options.MaxFreeze)
	case errors.Is(err, chunk.ErrSpoolFull):
		return fmt.Sprintf("more than %s changed since the last pass", sizeText(spoolLimit))
	}
	return err.Error()
}

// settle stores what was read while the containers were held; what could not be is read now.
func (r *createRun) settle(ctx context.Context, t *tree) error {
	r.env.reporter().Item(t.item.Ref())
	if s := t.snapshot; s != nil && s.made {
		err := r.saveSnapshot(ctx, t)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.unsettled = err.Error()
	} else if s != nil && s.err != nil {
		r.note(t, "no snapshot: "+s.err.Error())
	}
	if t.pending != nil && t.pending.Lost() {
		t.pending, t.unsettled = nil, "a file with several links vanished while it was read"
	}
	if t.pending != nil {
		result, err := t.pending.Store(ctx)
		if err == nil {
			t.keep(result)
			if t.clones != nil && t.clones.Made() > 0 {
				t.via = ViaReflink
			}
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.pending, t.unsettled = nil, err.Error()
	}
	if err := t.save(ctx, r.newSaver(nil), t.options(false)); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// The warm pass left a whole result, only an older one.
		t.unsettled += "; " + err.Error()
	}
	return nil
}

// newSpool makes the spool of one freeze, as large as the disk allows.
func (r *createRun) newSpool() (*chunk.Spool, error) {
	dir := r.env.CacheDir
	if dir == "" {
		dir = os.TempDir()
	}
	free, _, err := hostfs.Space(dir)
	if err != nil {
		return nil, fmt.Errorf("look for room for the spool: %w", err)
	}
	limit := min(int64(min(free/2, 1<<62)), spoolLimit)
	return chunk.NewSpool(dir, limit), nil
}

// freezeTime is how long the guard lets a group stand still beyond what the run intends.
func freezeTime(maxFreeze time.Duration) time.Duration { return maxFreeze + 5*time.Second }
