package repo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// JobPruneArchive is the job of the snapshots that prune makes before it
// removes something. They are outside "latest".
const JobPruneArchive = "prune-archive"

// Latest is the spec of Find that names no snapshot by its id.
const Latest = "latest"

const minPrefix = 4

// Snapshots lists all snapshots, newest first. When some cannot be read it
// returns the others together with an *UnreadableError.
func (r *Repository) Snapshots(ctx context.Context) ([]Snapshot, error) {
	if _, err := r.Unlocked(); err != nil {
		return nil, err
	}
	refs, bad, err := r.refs(ctx)
	if err != nil {
		return nil, err
	}
	snaps, problems := r.readSnapshots(ctx, refs)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if bad = append(bad, problems...); len(bad) > 0 {
		return snaps, &UnreadableError{Problems: bad}
	}
	return snaps, nil
}

func (r *Repository) readSnapshots(ctx context.Context, refs []ref) (snaps []Snapshot, bad []SnapshotProblem) {
	const workers = 4
	results := make([]Snapshot, len(refs))
	errs := make([]error, len(refs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				results[i], errs[i] = r.readSnapshot(ctx, refs[i])
			}
		})
	}
	for i := range refs {
		next <- i
	}
	close(next)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			bad = append(bad, SnapshotProblem{ID: refs[i].ID, Err: err, ref: &refs[i]})
			continue
		}
		snaps = append(snaps, results[i])
	}
	slices.SortFunc(snaps, func(a, b Snapshot) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.ID, b.ID))
	})
	return snaps, bad
}

// Find finds one snapshot. The spec "latest" is the newest complete one that q
// matches; prune archives count only when q asks for that job. Any other spec is an
// id or the beginning of one, four digits or more, and q is not looked at. No
// match is ErrNoSnapshot, several are an *AmbiguousError. A snapshot that
// cannot be read but would be the answer is an error as well: an older one in
// its place would be a surprise.
func (r *Repository) Find(ctx context.Context, spec string, q Query) (Snapshot, error) {
	unlocked, err := r.Unlocked()
	if err == nil && !unlocked && q.ItemKind+q.ItemName != "" {
		err = ErrKeyNeeded
	}
	if err != nil {
		return Snapshot{}, err
	}
	if spec == Latest {
		return r.findLatest(ctx, q)
	}
	return r.findID(ctx, spec)
}

func (r *Repository) findID(ctx context.Context, spec string) (Snapshot, error) {
	if len(spec) < minPrefix || len(spec) > 2*snapshotIDLen || strings.Trim(spec, "0123456789abcdef") != "" {
		return Snapshot{}, fmt.Errorf("%w: %q is neither %q nor %d to %d digits of an id", ErrNoSnapshot, spec, Latest, minPrefix, 2*snapshotIDLen)
	}
	refs, bad, err := r.refs(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	refs = slices.DeleteFunc(refs, func(f ref) bool { return !strings.HasPrefix(f.ID, spec) })
	bad = slices.DeleteFunc(bad, func(p SnapshotProblem) bool { return !strings.HasPrefix(p.ID, spec) })
	switch {
	case len(refs)+len(bad) == 0:
		return Snapshot{}, fmt.Errorf("%w: %s", ErrNoSnapshot, spec)
	case len(refs)+len(bad) > 1:
		return Snapshot{}, ambiguous(spec, refs, bad)
	case len(bad) == 1:
		return Snapshot{}, &UnreadableError{Problems: bad}
	}
	snap, err := r.readSnapshot(ctx, refs[0])
	if err != nil {
		return Snapshot{}, &UnreadableError{Problems: []SnapshotProblem{{ID: refs[0].ID, Err: err}}}
	}
	return snap, nil
}

func ambiguous(spec string, refs []ref, bad []SnapshotProblem) error {
	e := &AmbiguousError{Spec: spec}
	for _, f := range refs {
		e.Matches = append(e.Matches, f.ID)
	}
	for _, p := range bad {
		e.Matches = append(e.Matches, p.ID)
	}
	slices.Sort(e.Matches)
	return e
}

func (r *Repository) findLatest(ctx context.Context, q Query) (Snapshot, error) {
	refs, bad, err := r.refs(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	if err := r.CheckHeads(); err != nil {
		return Snapshot{}, err
	}
	if refs, err = r.withoutForgotten(ctx, refs); err != nil {
		return Snapshot{}, err
	}
	refs = slices.DeleteFunc(refs, func(f ref) bool { return !q.matchesRef(f) })
	snaps, problems := r.readSnapshots(ctx, refs)
	if err := context.Cause(ctx); err != nil {
		return Snapshot{}, err
	}
	found := slices.IndexFunc(snaps, func(s Snapshot) bool { return s.Complete && q.matchesItem(&s) })
	for _, p := range problems {
		if found < 0 || p.ref.Time.After(snaps[found].Time) {
			bad = append(bad, p)
		}
	}
	switch {
	case len(bad) > 0:
		return Snapshot{}, &UnreadableError{Problems: bad}
	case found < 0:
		return Snapshot{}, fmt.Errorf("%w: no complete snapshot%s", ErrNoSnapshot, q)
	}
	return snaps[found], nil
}

// withoutForgotten leaves out, in an encrypted repository, what a host signed to be
// forgotten: somebody may have put an old ref back.
func (r *Repository) withoutForgotten(ctx context.Context, refs []ref) ([]ref, error) {
	if r.vault == nil {
		return refs, nil
	}
	stones, _, err := r.tombstones(ctx)
	return slices.DeleteFunc(refs, func(f ref) bool {
		return slices.ContainsFunc(stones, func(t tombstone) bool { return t.ID == f.ID })
	}), err
}

func (q Query) matchesRef(f ref) bool {
	return (q.Host == "" || q.Host == f.Host) && (q.Job == f.Job || q.Job == "" && f.Job != JobPruneArchive)
}

func (q Query) matchesItem(s *Snapshot) bool {
	return slices.ContainsFunc(s.Items, func(item Item) bool {
		return (q.ItemKind == "" || q.ItemKind == item.Kind) && (q.ItemName == "" || q.ItemName == item.Name)
	}) || q.ItemKind == "" && q.ItemName == ""
}

// String says what is asked for, as the end of a sentence.
func (q Query) String() string {
	var b strings.Builder
	if q.Host != "" {
		fmt.Fprintf(&b, " of host %s", q.Host)
	}
	if q.Job != "" {
		fmt.Fprintf(&b, " of job %s", q.Job)
	}
	if q.ItemKind != "" || q.ItemName != "" {
		fmt.Fprintf(&b, " with %s/%s", q.ItemKind, q.ItemName)
	}
	return b.String()
}
