package repo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"davit/backup/repo/storage"
)

// Commit makes a snapshot of what was put. Empty ID, Time, Host and Job are
// filled in, the items' blobs must be in the live index. In this order: the
// snapshot index is put, all blobs become durable, the index file is written,
// what a removal of blobs would take is rescued, then comes the ref, which makes
// the snapshot exist, and index.json beside a last look for removals. When a removal that counted this
// session as dead took what it needs, the error is a *RemovedError.
//
// When only index.json could not be written the snapshot exists: it is returned
// together with the error, and the next Commit makes up for it. On any other
// error the snapshot returned is empty and there is none.
func (s *Session) Commit(ctx context.Context, snap Snapshot) (Snapshot, error) {
	if err := s.complete(&snap); err != nil {
		return Snapshot{}, fmt.Errorf("commit snapshot: %w", err)
	}
	w := indexWriter{store: s, maxChildren: maxChildren}
	put := putSnapshot
	if s.repo.vault != nil {
		put = s.putSealedSnapshot
	}
	if err := put(storage.Caching(ctx), w, &snap); err != nil { // index.json is made of it at once
		return Snapshot{}, fmt.Errorf("commit snapshot: %w", err)
	}
	if err := s.Sync(ctx); err != nil {
		return Snapshot{}, fmt.Errorf("commit snapshot: %w", err)
	}
	f := newRef(snap)
	o, err := s.offerRef(ctx, &f, false)
	if err != nil {
		return Snapshot{}, fmt.Errorf("commit snapshot: %w", err)
	}
	switch saved, err := s.confirm(ctx, o); {
	case !saved:
		return Snapshot{}, fmt.Errorf("commit snapshot: %w", err)
	case err != nil:
		return snap, fmt.Errorf("snapshot %s is saved: %w", snap.ID, err)
	}
	return snap, nil
}

// confirm makes an offer a snapshot. Beside that index.json is written, which tells of the refs that there are, and once
// more when this one is withdrawn. Being cancelled does not change what index.json has to tell.
func (s *Session) confirm(ctx context.Context, o *offer) (saved bool, err error) {
	name := func(ctx context.Context) error {
		if s.repo.opt.AppendOnly {
			return nil
		}
		return s.repo.nameSnapshots(context.WithoutCancel(ctx), s.releaseLater)
	}
	var unnamed error
	err = s.repo.together(ctx, o.confirm, func(ctx context.Context) error {
		unnamed = name(ctx)
		return nil
	})
	if err != nil {
		return false, errors.Join(err, name(ctx))
	}
	return true, errors.Join(unnamed, s.repo.rememberHeads(o.heads))
}

// releaseLater gives back a lock on a server while the session goes on; Close waits for it.
func (s *Session) releaseLater(lock *heldLock) {
	if s.repo.Local() {
		lock.Release()
		return
	}
	s.releasing.Go(lock.Release)
}

func (s *Session) complete(snap *Snapshot) (err error) {
	if snap.ID == "" {
		if snap.ID, err = s.repo.random(snapshotIDLen); err != nil {
			return err
		}
	}
	if !isSnapshotID(snap.ID) {
		return fmt.Errorf("snapshot id %q is not %d hexadecimal digits", snap.ID, 2*snapshotIDLen)
	}
	if snap.Time.IsZero() {
		snap.Time = s.repo.opt.Now()
	}
	snap.Time = snap.Time.UTC().Round(0)
	if snap.Host == "" {
		snap.Host = s.host
	}
	if snap.Job == "" {
		snap.Job = s.job
	}
	snap.Host = strings.ToValidUTF8(snap.Host, "\uFFFD")
	if err := s.canSave(snap.Host); err != nil {
		return err
	}
	snap.Job = strings.ToValidUTF8(snap.Job, "\uFFFD")
	return s.checkItems(snap.Items)
}

func (s *Session) canSave(host string) error {
	if s.vouch {
		return s.repo.CanSaveFor(host)
	}
	return s.repo.canSave(host)
}

func (s *Session) checkItems(items []Item) error {
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		if err := checkItem(item); err != nil {
			return err
		}
		name := itemRef(item)
		if seen[name] {
			return fmt.Errorf("item %s is there twice", name)
		}
		seen[name] = true
		d, err := ParseDigest(item.Desc.Digest.String())
		if err != nil {
			return fmt.Errorf("item %s: %w", name, err)
		}
		if b, ok := s.repo.index.find(d); !ok || b.Stored != item.Desc.Size {
			return fmt.Errorf("item %s: %w", name, &DamagedError{Digest: d, Reason: "was not put in this repository"})
		}
	}
	return nil
}

// WriteIndexJSON regenerates index.json from the refs. It waits up to a minute
// for others who do the same. Snapshots that cannot be read are left out.
func (r *Repository) WriteIndexJSON(ctx context.Context) error {
	return r.nameSnapshots(ctx, (*heldLock).Release)
}

// nameSnapshots is WriteIndexJSON, and gives its lock to release.
func (r *Repository) nameSnapshots(ctx context.Context, release func(*heldLock)) error {
	if err := r.mayReplace(); err != nil {
		return fmt.Errorf("write index.json: %w", err)
	}
	lock, err := r.waitWriteLock(ctx)
	if err != nil {
		return fmt.Errorf("write index.json: %w", err)
	}
	defer release(lock)
	snaps, err := r.namedSnapshots(ctx)
	if unreadable := (*UnreadableError)(nil); err != nil && !errors.As(err, &unreadable) {
		return fmt.Errorf("write index.json: %w", err)
	}
	if err := lock.Check(); err != nil {
		return fmt.Errorf("write index.json: %w", err)
	}
	if err := r.writeIndexJSON(ctx, snaps); err != nil {
		return fmt.Errorf("write index.json: %w", err)
	}
	return nil
}
