package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"davit/backup/repo/storage"
)

// Usage is what a repository holds and which snapshot needs how much of it.
type Usage struct {
	Stored    Amount          `json:"stored"`    // all blobs
	Needed    Amount          `json:"needed"`    // by snapshots
	Condemned Amount          `json:"condemned"` // by removals that are not done, needed or not
	Snapshots []SnapshotUsage `json:"snapshots"` // newest first
}

// SnapshotUsage is the part of one snapshot.
type SnapshotUsage struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Host   string    `json:"host"`
	Job    string    `json:"job,omitempty"`
	Stored Amount    `json:"stored"` // all that it needs
	Unique Amount    `json:"unique"` // that no other snapshot needs: what forgetting it alone would free
}

// Usage reads all manifests. Snapshots that cannot be read are left out and
// named by an *UnreadableError beside the result.
func (r *Repository) Usage(ctx context.Context) (Usage, error) {
	snaps, err := r.Snapshots(ctx)
	unreadable := &UnreadableError{}
	if err != nil && !errors.As(err, &unreadable) {
		return Usage{}, fmt.Errorf("add up snapshots: %w", err)
	}
	g := newGraph(r)
	var u Usage
	var roots []int32
	for _, s := range snaps {
		root, err := g.addSnapshot(ctx, s.Digest, s.Size)
		if ctx.Err() != nil {
			return Usage{}, context.Cause(ctx)
		}
		if err != nil {
			unreadable.Problems = append(unreadable.Problems, SnapshotProblem{ID: s.ID, Err: err})
			continue
		}
		roots = append(roots, root)
		u.Snapshots = append(u.Snapshots, SnapshotUsage{ID: s.ID, Time: s.Time, Host: s.Host, Job: s.Job})
	}
	u.addUp(g, roots)
	if err := r.addFiles(ctx, &u); err != nil {
		return Usage{}, fmt.Errorf("add up blobs: %w", err)
	}
	if len(unreadable.Problems) > 0 {
		return u, unreadable
	}
	return u, nil
}

// addUp shares the blobs out among the snapshots.
func (u *Usage) addUp(g *graph, roots []int32) {
	marks := make([]int32, len(g.nodes))
	needs := make([]int32, len(g.nodes)) // how many snapshots
	for i, root := range roots {
		g.below(root, marks, int32(i)+1, func(n int32) {
			u.Snapshots[i].Stored.add(g.nodes[n].blob)
			needs[n]++
		})
	}
	clear(marks)
	for i, root := range roots {
		g.below(root, marks, int32(i)+1, func(n int32) {
			if needs[n] == 1 {
				u.Snapshots[i].Unique.add(g.nodes[n].blob)
			}
		})
	}
	for n, count := range needs {
		if count > 0 {
			u.Needed.add(g.nodes[n].blob)
		}
	}
}

func (r *Repository) addFiles(ctx context.Context, u *Usage) error {
	c := &collection{repo: r}
	pending, err := c.pending(ctx)
	if err != nil {
		return err
	}
	u.Condemned = pending.amount()
	return r.eachFile(ctx, func(d Digest, look func() (storage.Info, error)) {
		if info, err := look(); err == nil {
			u.Stored.add(namedBlob(d, info.Size))
		}
	})
}
