package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Forget makes snapshots cease to exist. Decide is called with those that there
// are, newest first, while nobody else can forget any, and returns the ids that
// are to go; its error ends everything, and nothing is changed then. A tombstone
// of each is left for Undelete; the blobs stay until GC. It returns those that
// are gone, also when index.json could not be written.
func (r *Repository) Forget(ctx context.Context, decide func([]Snapshot) ([]string, error)) ([]string, error) {
	if err := r.mayReplace(); err != nil {
		return nil, fmt.Errorf("forget snapshots: %w", err)
	}
	gone, err := r.forgetLocked(ctx, func() ([]string, error) {
		snaps, err := r.Snapshots(ctx)
		if unreadable := (*UnreadableError)(nil); err != nil && !errors.As(err, &unreadable) {
			return nil, err
		}
		return decide(snaps)
	})
	return r.afterForget(ctx, gone, err)
}

// Drop forgets snapshots that cannot be read, whatever is wrong with them. One
// whose ref does not even decode is set aside and does not come back by
// Undelete.
func (r *Repository) Drop(ctx context.Context, ids []string) ([]string, error) {
	if err := r.mayReplace(); err != nil {
		return nil, fmt.Errorf("drop snapshots: %w", err)
	}
	gone, err := r.forgetLocked(ctx, func() ([]string, error) { return ids, nil })
	return r.afterForget(ctx, gone, err)
}

func (r *Repository) afterForget(ctx context.Context, gone []string, err error) ([]string, error) {
	if err != nil {
		err = fmt.Errorf("forget snapshots: %w", err)
	}
	if len(gone) == 0 {
		return nil, err
	}
	return gone, errors.Join(err, r.WriteIndexJSON(context.WithoutCancel(ctx)))
}

func (r *Repository) forgetLocked(ctx context.Context, decide func() ([]string, error)) (gone []string, err error) {
	lock, err := r.waitWriteLock(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	ids, err := decide()
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	refs, bad, err := r.refs(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := errors.Join(context.Cause(ctx), lock.Check()); err != nil {
			return gone, err
		}
		if err := r.forgetOne(ctx, id, refs, bad); err != nil {
			return gone, fmt.Errorf("snapshot %s: %w", id, err)
		}
		gone = append(gone, id)
	}
	return gone, nil
}

// forgetOne writes the tombstone before the ref goes: cut in between, the
// snapshot is still there.
func (r *Repository) forgetOne(ctx context.Context, id string, refs []ref, bad []SnapshotProblem) error {
	if n := slices.IndexFunc(refs, func(f ref) bool { return f.ID == id }); n >= 0 {
		if err := r.putTombstone(ctx, refs[n]); err != nil {
			return err
		}
		return r.removeRef(ctx, id)
	}
	if slices.ContainsFunc(bad, func(p SnapshotProblem) bool { return p.ID == id }) {
		return r.setAside(ctx, id)
	}
	return ErrNoSnapshot
}

// setAside keeps the bytes of a ref that does not decode, for whoever can read
// more from them.
func (r *Repository) setAside(ctx context.Context, id string) error {
	data, err := r.store.Get(ctx, refDir+"/"+id+refSuffix, maxSmallFile)
	if err == nil {
		err = r.store.Put(ctx, tombDir+"/"+id+refSuffix+".damaged", data)
	}
	if err != nil {
		return err
	}
	return r.removeRef(ctx, id)
}

// Unreadable lists the snapshots of which a ref, an index or a manifest cannot
// be read. As long as there is one, GC refuses to work.
func (r *Repository) Unreadable(ctx context.Context) ([]SnapshotProblem, error) {
	refs, bad, err := r.refs(ctx)
	if err != nil {
		return nil, err
	}
	_, problems := r.readSnapshots(ctx, refs)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	bad = append(bad, problems...)
	g := newGraph(r)
	for _, f := range refs {
		if slices.ContainsFunc(bad, func(p SnapshotProblem) bool { return p.ID == f.ID }) {
			continue
		}
		if _, err := g.addRef(ctx, f); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			bad = append(bad, SnapshotProblem{ID: f.ID, Err: err, ref: &f})
		}
	}
	return bad, nil
}
