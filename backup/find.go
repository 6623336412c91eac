package backup

import (
	"context"
	"fmt"

	"davit/backup/repo"
)

// find finds the snapshot that a reference means. "latest" is this host's unless the query names another.
func find(ctx context.Context, env *Env, ref ItemRef, q Query) (repo.Snapshot, error) {
	if q.Host == "" {
		q.Host = env.Host
	}
	snap, err := env.Repo.Find(ctx, ref.Snapshot, repo.Query{
		Host: q.Host, Job: q.Job, ItemKind: ref.Kind, ItemName: ref.Name,
	})
	if err == nil && snap.Sealed() {
		err = repo.ErrKeyNeeded
	}
	return snap, err
}

// findItem finds the item that a reference means.
func findItem(ctx context.Context, env *Env, ref ItemRef, q Query) (repo.Snapshot, repo.Item, error) {
	snap, err := find(ctx, env, ref, q)
	if err != nil {
		return snap, repo.Item{}, err
	}
	it, ok := snap.Find(ref.Kind, ref.Name)
	if !ok {
		return snap, it, noSuchItem(snap, ref.Kind, ref.Name)
	}
	return snap, it, nil
}

func noSuchItem(snap repo.Snapshot, kind, name string) error {
	return &NotFoundError{What: "item", Name: FormatItem(kind, name), Where: "snapshot " + snap.ID}
}

// treeRef parses a reference that must name an item that holds files.
func treeRef(spec string) (ItemRef, error) {
	ref, err := ParseItemRef(spec)
	if err != nil {
		return ref, err
	}
	if !isTree(ref.Kind) {
		return ref, &UsageError{
			Reason: fmt.Sprintf("%s names no item that holds files", spec),
			Hint:   "name a volume, bind, path or rw-layer: latest:volume/NAME",
		}
	}
	return ref, nil
}
