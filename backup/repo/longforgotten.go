package repo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// forgottenFile lists what was forgotten so long ago that its tombstone is gone, so that a copy does not bring
// it back by itself. It is written under the lock of the gc.
const (
	forgottenFile = "davit/forgotten.json"
	maxForgotten  = 16 * mib // of that file
	keptForgotten = 50_000   // in it, the newest
)

// longForgotten is the content of davit/forgotten.json.
type longForgotten struct {
	Version   int                 `json:"version"`
	Snapshots []forgottenSnapshot `json:"snapshots"` // oldest first

	Signature *signature `json:"signature,omitempty"` // in encrypted repositories
}

type forgottenSnapshot struct {
	ID   string    `json:"id"`
	Host string    `json:"host"`
	Job  string    `json:"job"`
	Time time.Time `json:"time"` // of the snapshot
}

func (l longForgotten) statement(repository string) ([]byte, error) {
	list, err := json.Marshal(l.Snapshots)
	if err != nil {
		return nil, err
	}
	return json.Marshal([]any{"davit forgotten 1", repository, DigestOf(list).Hex()})
}

// longForgotten reads the list; what does not decode, or is not signed, is a *damagedListError.
func (r *Repository) longForgotten(ctx context.Context) (l longForgotten, err error) {
	data, err := r.store.Get(ctx, forgottenFile, maxForgotten)
	if errors.Is(err, fs.ErrNotExist) {
		return longForgotten{Version: refVersion}, nil
	}
	if err != nil {
		return l, err
	}
	if err = sumIsRight(data); err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err == nil && l.Version != refVersion {
		err = fmt.Errorf("unknown version %d", l.Version)
	}
	if err == nil {
		err = r.verifySignature(l.Signature, l.statement)
	}
	if err != nil {
		return longForgotten{Version: refVersion}, &damagedListError{err}
	}
	return l, nil
}

// damagedListError is that the list of what was long forgotten is of no use: a copy may bring something back.
type damagedListError struct{ err error }

func (e *damagedListError) Error() string { return forgottenFile + ": " + e.err.Error() }
func (e *damagedListError) Unwrap() error { return e.err }

// rememberForgotten adds what tombstones tell that are about to go. A list that is damaged begins anew.
func (r *Repository) rememberForgotten(ctx context.Context, stones []tombstone) error {
	l, err := r.longForgotten(ctx)
	if damaged := (*damagedListError)(nil); err != nil && !errors.As(err, &damaged) {
		return err
	}
	for _, t := range stones {
		known := slices.ContainsFunc(l.Snapshots, func(s forgottenSnapshot) bool { return s.ID == t.ID })
		if !known {
			l.Snapshots = append(l.Snapshots, forgottenSnapshot{ID: t.ID, Host: t.Ref.Host, Job: t.Ref.Job, Time: t.Ref.Time})
		}
	}
	slices.SortFunc(l.Snapshots, func(a, b forgottenSnapshot) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	l.Snapshots = l.Snapshots[max(0, len(l.Snapshots)-keptForgotten):]
	if l.Signature, err = r.sign(l.statement); err != nil {
		return err
	}
	data, err := encodeChecked(l)
	if err != nil {
		return err
	}
	return r.store.Put(ctx, forgottenFile, data)
}

// checkForgotten is for verify.
func (r *Repository) checkForgotten(ctx context.Context) error {
	data, err := r.store.Get(ctx, forgottenFile, maxForgotten)
	if err != nil {
		return err
	}
	_, err = r.longForgotten(ctx)
	return errors.Join(err, asWritten(data, &longForgotten{}))
}
