package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

const (
	// DefaultGrace is how long blobs that no snapshot needs are left alone, and
	// how long after that was announced they are removed.
	DefaultGrace = 24 * time.Hour
	// gcKept is how long a removal that is done is remembered, for sessions
	// that counted as dead and live.
	gcKept = 30 * 24 * time.Hour
)

// GCOptions say how to remove blobs.
type GCOptions struct {
	Grace  time.Duration // 0 is at once; see DefaultGrace
	DryRun bool          // only tell; works on a repository that is open read-only
}

// Amount is some blobs and the bytes they take.
type Amount struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

func (a *Amount) add(b Blob) {
	a.Blobs++
	a.Bytes += b.Stored
}

// GCResult is what a removal found and did.
type GCResult struct {
	Needed    Amount      `json:"needed"`    // by snapshots
	Young     Amount      `json:"young"`     // needed by none, and too young to be condemned
	Condemned Amount      `json:"condemned"` // by this call
	Removed   Amount      `json:"removed"`   // by this call
	Spared    int         `json:"spared"`    // blobs that were condemned and are needed again
	Waiting   []GCWaiting `json:"waiting"`   // removals that are yet to come
}

// GCWaiting is a removal that is announced, and what it waits for.
type GCWaiting struct {
	Number   int64     `json:"number"`
	Amount   Amount    `json:"amount"`
	Until    time.Time `json:"until"`              // the grace ends
	Sessions []string  `json:"sessions,omitempty"` // "job on host, pid 1"; that began before
}

// GC removes blobs that no snapshot needs, in two steps that are a grace apart:
// it condemns what is older than the grace, and removes what was condemned by an
// earlier call, when no session is left that began before. Backups may run
// meanwhile: they do not count on what is condemned, and what they need
// nevertheless they rescue. A call that is cut at any point is resumed by the next.
//
// Ages are told by the clock of the repository's file system; a dry run, which writes nothing to ask it, takes
// Options.Now. While another GC
// runs the error is a *LockedError. When a snapshot cannot be read, nothing is
// condemned or removed: it might need anything.
func (r *Repository) GC(ctx context.Context, o GCOptions) (GCResult, error) {
	if o.DryRun {
		result, err := r.planGC(ctx, o)
		if err != nil {
			return GCResult{}, fmt.Errorf("plan gc: %w", err)
		}
		return result, nil
	}
	if err := r.mayReplace(); err != nil {
		return GCResult{}, fmt.Errorf("gc: %w", err)
	}
	lock, err := r.tryGCLock(ctx)
	if err != nil {
		return GCResult{}, fmt.Errorf("gc: %w", err)
	}
	defer lock.Release()
	result, err := r.gc(ctx, lock, o.Grace)
	if err != nil {
		return result, fmt.Errorf("gc: %w", err)
	}
	return result, nil
}

func (r *Repository) gc(ctx context.Context, lock *heldLock, grace time.Duration) (GCResult, error) {
	now, err := r.store.Now(ctx)
	if err != nil {
		return GCResult{}, err
	}
	c, err := r.newCollection(ctx, now, grace)
	if err != nil {
		return GCResult{}, err
	}
	c.lock = lock
	if err := c.condemn(ctx); err != nil {
		return c.result, err
	}
	if err := c.sweepAll(ctx); err != nil {
		return c.result, err
	}
	return c.result, c.cleanUp(ctx, now)
}

// collection is one call of GC.
type collection struct {
	repo   *Repository
	lock   *heldLock // nil for a plan
	now    time.Time // of the file system
	grace  time.Duration
	files  *fileList
	graph  *graph
	result GCResult
}

// newCollection reads what all snapshots need.
func (r *Repository) newCollection(ctx context.Context, now time.Time, grace time.Duration) (*collection, error) {
	files, err := r.listFiles(ctx)
	if err != nil {
		return nil, err
	}
	c := &collection{repo: r, now: now, grace: grace, graph: newGraph(r), files: files}
	c.result.Waiting = []GCWaiting{}
	if err := c.addRefs(ctx); err != nil {
		return nil, err
	}
	for _, n := range c.graph.nodes {
		c.result.Needed.add(n.blob)
	}
	if err := r.index.Refresh(ctx); err != nil {
		return nil, err
	}
	if problems := r.IndexProblems(); len(problems) > 0 {
		return nil, &IndexDamageError{Problems: problems}
	}
	return c, nil
}

// addRefs adds the snapshots that there are now to what is needed.
func (c *collection) addRefs(ctx context.Context) error {
	refs, bad, err := c.repo.refs(ctx)
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return &UnreadableError{Problems: bad}
	}
	for _, f := range refs {
		if _, err := c.graph.addRef(ctx, f); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &UnreadableError{Problems: []SnapshotProblem{{ID: f.ID, Err: err, ref: &f}}}
		}
	}
	return nil
}

// addLoose adds what the manifests need that no snapshot does and that the index
// still offers to the next run.
func (c *collection) addLoose(ctx context.Context, goes func(Digest) bool) error {
	known, err := c.repo.index.raw(ctx)
	if err != nil {
		return err
	}
	for _, b := range known {
		if c.graph.Has(b.Digest) || goes(b.Digest) {
			continue
		}
		if err := c.graph.addLoose(ctx, b, 2*maxDepth); err != nil {
			return err
		}
	}
	return nil
}

// raw lists the blobs of the index files that may be manifests.
func (x *liveIndex) raw(ctx context.Context) (list []Blob, err error) {
	err = x.each(ctx, func(b Blob) {
		if b.Raw() && b.Stored <= MaxManifest {
			list = append(list, b)
		}
	})
	return list, err
}

// digests are those of all blobs of the index files.
func (x *liveIndex) digests(ctx context.Context) (map[Digest]struct{}, error) {
	all := make(map[Digest]struct{})
	return all, x.each(ctx, func(b Blob) { all[b.Digest] = struct{}{} })
}

// each visits what the index files say.
func (x *liveIndex) each(ctx context.Context, visit func(Blob)) error {
	files, err := x.openAll(ctx)
	if err != nil {
		return err
	}
	defer closeAll(files)
	for b, err := range mergeRecords(ctx, files) {
		if err != nil {
			return err
		}
		visit(b)
	}
	return nil
}

// openAll opens the files that there are now, however others merge them.
func (x *liveIndex) openAll(ctx context.Context) ([]*indexFile, error) {
	const attempts = 20
	for n := 1; ; n++ {
		if err := x.Refresh(ctx); err != nil {
			return nil, err
		}
		files, err := x.reopenAll(ctx)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || n == attempts {
			return files, err
		}
	}
}

// cleanUp forgets removals that are long done. The newest stays: its number must
// not come again. While a session runs all stay: it may yet ask.
func (c *collection) cleanUp(ctx context.Context, now time.Time) error {
	r := c.repo
	runs, err := r.gcRuns(ctx)
	if err != nil {
		return err
	}
	sessions, err := r.sessions(ctx)
	if err != nil || slices.ContainsFunc(sessions, func(s SessionState) bool { return !s.Dead }) {
		return err
	}
	var errs []error
	for _, run := range runs {
		if run.isDone() && now.Sub(run.done) > gcKept && run.number != highestGC(runs) {
			errs = append(errs, r.store.RemoveAll(ctx, gcPath(run.number)))
		}
	}
	errs = append(errs, r.dropOldTombstones(ctx, now))
	return errors.Join(errs...)
}
