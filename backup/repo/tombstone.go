package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// tombstone is the content of davit/tombstones/<snapshot id>.json: a snapshot
// that was forgotten, with the ref that would bring it back.
type tombstone struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`
	Time    time.Time `json:"time"` // when it was forgotten
	Host    string    `json:"host"` // who did it
	Ref     ref       `json:"ref"`

	Signature *signature `json:"signature,omitempty"` // in encrypted repositories
}

// Forgotten is a snapshot that was forgotten.
type Forgotten struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"` // of the snapshot
	Host    string    `json:"host"`
	Job     string    `json:"job,omitempty"`
	Removed time.Time `json:"forgotten"`
	By      string    `json:"by"` // host
	Long    bool      `json:"-"`  // only this is known of it, and not when and by whom
}

// tombstones reads all tombstones. What does not decode is a problem and no
// error.
func (r *Repository) tombstones(ctx context.Context) (good []tombstone, bad []SnapshotProblem, err error) {
	docs, err := r.documents(ctx, tombDir, refSuffix, isSnapshotID)
	if err != nil {
		return nil, nil, fmt.Errorf("list tombstones: %w", err)
	}
	for _, doc := range docs {
		t, err := tombstone{}, doc.err
		if err == nil {
			t, err = r.decodeTombstone(doc.name, doc.data)
		}
		if err != nil {
			bad = append(bad, SnapshotProblem{ID: doc.name, Err: err})
			continue
		}
		good = append(good, t)
	}
	return good, bad, nil
}

func (r *Repository) decodeTombstone(id string, data []byte) (_ tombstone, err error) {
	var t struct {
		tombstone
		Ref json.RawMessage `json:"ref"`
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return tombstone{}, fmt.Errorf("decode tombstone: %w", err)
	}
	if err := sumIsRight(data); err != nil {
		return tombstone{}, fmt.Errorf("decode tombstone: %w", err)
	}
	if t.ID != id || t.Version != refVersion {
		return tombstone{}, fmt.Errorf("decode tombstone: version %d of snapshot %q", t.Version, t.ID)
	}
	if t.tombstone.Ref, err = decodeRef(id, t.Ref); err != nil {
		return tombstone{}, err
	}
	if err := r.verifyRef(t.tombstone.Ref); err != nil {
		return tombstone{}, err
	}
	return t.tombstone, r.verifySignature(t.Signature, t.statement)
}

func (r *Repository) putTombstone(ctx context.Context, f ref) error {
	t := tombstone{Version: refVersion, ID: f.ID, Time: r.opt.Now().UTC().Round(0), Host: r.opt.Host, Ref: f}
	var err error
	if t.Signature, err = r.sign(t.statement); err != nil {
		return err
	}
	data, err := encodeChecked(t)
	if err != nil {
		return err
	}
	return r.store.Put(ctx, tombDir+"/"+f.ID+refSuffix, data)
}

func (r *Repository) removeTombstone(ctx context.Context, id string) error {
	return r.store.Remove(ctx, tombDir+"/"+id+refSuffix)
}

// Forgotten lists what Undelete may bring back, the last forgotten first. A
// snapshot whose data is gone is left out.
func (r *Repository) Forgotten() ([]Forgotten, error) {
	return r.forgotten(func(t tombstone) (bool, error) { return r.holdsIndexOf(context.Background(), t.Ref) })
}

// EverForgotten is Forgotten with what Undelete cannot bring back any more. A month after
// its data went only its id, host, job and time are remembered, and Long is set.
func (r *Repository) EverForgotten() ([]Forgotten, error) {
	list, err := r.forgotten(func(tombstone) (bool, error) { return true, nil })
	if err != nil {
		return nil, err
	}
	long, err := r.longForgotten(context.Background())
	if damaged := (*damagedListError)(nil); err != nil && !errors.As(err, &damaged) {
		return nil, err
	}
	for _, s := range long.Snapshots {
		list = append(list, Forgotten{ID: s.ID, Time: s.Time, Host: s.Host, Job: s.Job, Long: true})
	}
	return list, nil
}

func (r *Repository) forgotten(wanted func(tombstone) (bool, error)) ([]Forgotten, error) {
	stones, _, err := r.tombstones(context.Background())
	if err != nil {
		return nil, err
	}
	var list []Forgotten
	for _, t := range stones {
		ok, err := wanted(t)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		list = append(list, Forgotten{ID: t.ID, Time: t.Ref.Time, Host: t.Ref.Host, Job: t.Ref.Job, Removed: t.Time, By: t.Host})
	}
	slices.SortStableFunc(list, func(a, b Forgotten) int { return b.Removed.Compare(a.Removed) })
	return list, nil
}

func (r *Repository) isThere(ctx context.Context, d Digest) (bool, error) {
	_, ok, err := r.HasFile(ctx, d)
	return ok, err
}

// holdsIndexOf tells whether the index of a snapshot is there, which is the last to go.
func (r *Repository) holdsIndexOf(ctx context.Context, f ref) (bool, error) {
	d, err := ParseDigest(f.Digest)
	if err != nil {
		return false, err
	}
	return r.isThere(ctx, d)
}

// dropOldTombstones removes those that bring nothing back for a month. Each
// host's highest sequence number stays: it must not come again.
func (r *Repository) dropOldTombstones(ctx context.Context, now time.Time) error {
	stones, _, err := r.tombstones(ctx)
	if err != nil {
		return err
	}
	highest := make(map[string]int64)
	for _, t := range stones {
		highest[t.Ref.Host] = max(highest[t.Ref.Host], t.Ref.Sequence)
	}
	var old []tombstone
	for _, t := range stones {
		info, err := r.store.Stat(ctx, tombDir+"/"+t.ID+refSuffix)
		if err != nil {
			return err
		}
		if t.Ref.Sequence == highest[t.Ref.Host] || now.Sub(info.Time) < gcKept {
			continue
		}
		there, err := r.holdsIndexOf(ctx, t.Ref)
		if err != nil {
			return err
		}
		if !there {
			old = append(old, t)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := r.rememberForgotten(ctx, old); err != nil {
		return err
	}
	for _, t := range old {
		if err := r.removeTombstone(ctx, t.ID); err != nil {
			return err
		}
	}
	return nil
}
