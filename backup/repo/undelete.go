package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Undelete brings forgotten snapshots back, as they were. The ids are whole or
// beginnings of four digits or more. One whose data a gc has removed is a
// *RemovedError; those before it are back.
func (r *Repository) Undelete(ctx context.Context, specs []string) (ids []string, err error) {
	if err := r.mayReplace(); err != nil {
		return nil, fmt.Errorf("undelete: %w", err)
	}
	s, err := r.Begin(ctx, SessionInfo{})
	if err != nil {
		return nil, fmt.Errorf("undelete: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, spec := range specs {
		t, err := r.findTombstone(ctx, spec)
		if err == nil {
			err = s.undelete(ctx, t)
		}
		if err != nil {
			return ids, fmt.Errorf("undelete %s: %w", spec, err)
		}
		ids = append(ids, t.ID)
	}
	if err := r.WriteIndexJSON(context.WithoutCancel(ctx)); err != nil {
		return ids, fmt.Errorf("undelete: %w", err)
	}
	return ids, nil
}

func (r *Repository) findTombstone(ctx context.Context, spec string) (tombstone, error) {
	stones, _, err := r.tombstones(ctx)
	if err != nil {
		return tombstone{}, err
	}
	found := slices.DeleteFunc(stones, func(t tombstone) bool {
		return len(spec) < minPrefix || !strings.HasPrefix(t.ID, spec)
	})
	switch len(found) {
	case 0:
		return tombstone{}, ErrNotForgotten
	case 1:
		return found[0], nil
	}
	e := &AmbiguousError{Spec: spec}
	for _, t := range found {
		e.Matches = append(e.Matches, t.ID)
	}
	return tombstone{}, e
}

func (s *Session) undelete(ctx context.Context, t tombstone) error {
	r := s.repo
	g := newGraph(r)
	lost := &RemovedError{Snapshot: t.ID}
	_, err := g.addRef(ctx, t.Ref)
	if err != nil {
		return r.removedIf(ctx, t.ID, err)
	}
	blobs := g.blobs()
	found, err := r.haveFiles(ctx, blobs)
	if err != nil {
		return err
	}
	for i, b := range blobs {
		switch {
		case !found[i].whole(b):
			lost.Blobs, lost.First = lost.Blobs+1, b.Digest
		case !r.index.indexed(b) && !r.index.IsCondemned(b.Digest): // else it is rescued first
			r.index.AddSaved(b)
		}
	}
	if lost.Blobs > 0 {
		return lost
	}
	f := t.Ref
	o, err := s.offerRef(ctx, &f, true)
	if err == nil {
		err = o.confirm(ctx)
	}
	if err != nil {
		return err
	}
	return r.removeTombstone(ctx, t.ID)
}
