package repo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"davit/backup/repo/storage"
)

// SessionState is a session as its file tells.
type SessionState struct {
	ID     string    `json:"id"`
	Host   string    `json:"host"`
	Job    string    `json:"job,omitempty"`
	PID    int       `json:"pid"`
	Began  time.Time `json:"began"`  // by its own clock
	Seen   time.Time `json:"seen"`   // last sign of life, by the file system's clock
	Dead   bool      `json:"dead"`   // for certain
	Locked bool      `json:"locked"` // it lives for certain
	GCSeen int64     `json:"-"`
}

// String names a session for people.
func (s SessionState) String() string {
	if s.PID == 0 {
		return "somebody whose file " + sessionDir + "/" + s.ID + sessionSuffix + " cannot be read"
	}
	name := fmt.Sprintf("pid %d on %s", s.PID, s.Host)
	if s.Job != "" {
		name = "job " + s.Job + ", " + name
	}
	return name
}

// Sessions lists who writes, and who died while writing. A session whose file
// cannot be read counts as alive and older than everything.
func (r *Repository) Sessions() ([]SessionState, error) { return r.sessions(context.Background()) }

func (r *Repository) sessions(ctx context.Context) ([]SessionState, error) {
	now := r.opt.Now()
	if !r.opt.ReadOnly {
		var err error
		if now, err = r.store.Now(ctx); err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
	}
	list, err := r.sessionsAt(ctx, now, r.opt.Host)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

func (r *Repository) sessionsAt(ctx context.Context, now time.Time, host string) ([]SessionState, error) {
	entries, err := r.list(ctx, sessionDir, sessionSuffix, isUUID)
	if err != nil {
		return nil, err
	}
	return r.sessionStates(ctx, entries, now, host)
}

func (r *Repository) sessionStates(ctx context.Context, entries map[string]storage.Entry, now time.Time, host string) ([]SessionState, error) {
	ids := slices.Sorted(maps.Keys(entries))
	states, errs := make([]SessionState, len(ids)), make([]error, len(ids))
	storage.Each(r.readers(), len(ids), func(i int) {
		states[i], errs[i] = r.sessionState(ctx, entries[ids[i]], ids[i], now, host)
	})
	var list []SessionState
	for i, err := range errs {
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended since the listing
		}
		if err != nil {
			return nil, fmt.Errorf("look at session %s: %w", ids[i], err)
		}
		list = append(list, states[i])
	}
	slices.SortFunc(list, func(a, b SessionState) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

func (r *Repository) sessionState(ctx context.Context, e storage.Entry, id string, now time.Time, host string) (SessionState, error) {
	s := SessionState{ID: id}
	info, err := e.Info()
	if err != nil {
		return s, err
	}
	s.Seen = info.Time.UTC()
	grip, err := r.store.Grip(ctx, e.Name())
	if err != nil {
		return s, err
	}
	s.Locked = grip == storage.Taken
	data, err := r.store.Get(ctx, e.Name(), maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	var content sessionFile
	if err == nil && json.Unmarshal(data, &content) == nil {
		s.Host, s.Job, s.PID, s.Began, s.GCSeen = content.Host, content.Job, content.PID, content.Time, content.GCSeen
	}
	s.Dead = content.isDead(grip, now.Sub(info.Time), host)
	return s, nil
}

// Unlock removes the session files of the dead, with their half-written blobs:
// while a session counts as alive, nothing that it might need is removed. With
// force those go as well of which it cannot be told whether they live; the
// caller knows that they do not. One that holds its lock always stays. It
// returns those removed and those that stay.
func (r *Repository) Unlock(ctx context.Context, force bool) (removed, kept []SessionState, err error) {
	if err := r.mayReplace(); err != nil {
		return nil, nil, fmt.Errorf("unlock: %w", err)
	}
	sessions, err := r.sessions(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("unlock: %w", err)
	}
	var ids []string
	for _, s := range sessions {
		if s.Locked || !s.Dead && !force {
			kept = append(kept, s)
			continue
		}
		removed, ids = append(removed, s), append(ids, s.ID)
	}
	if err := r.breakLocks(ctx, force); err != nil {
		return nil, kept, fmt.Errorf("unlock: %w", err)
	}
	if len(ids) == 0 {
		return nil, kept, nil
	}
	if err := r.removeDead(ctx, ids); err != nil {
		return nil, kept, fmt.Errorf("unlock: %w", err)
	}
	return removed, kept, nil
}

// Locks lists the locks that are held, and by whom.
func (r *Repository) Locks() ([]*LockedError, error) {
	ctx := context.Background()
	var held []*LockedError
	for _, name := range []string{writeLock, gcLock} {
		tickets, err := r.store.Holders(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("look at lock %s: %w", name, err)
		}
		for _, t := range tickets {
			if !t.Expired {
				held = append(held, r.lockedBy(name, t.Owner))
			}
		}
	}
	return held, nil
}

// breakLocks takes the locks away from the dead: those that are proven to be, with
// force all that are not proven to live.
func (r *Repository) breakLocks(ctx context.Context, force bool) error {
	self, err := thisProcess()
	if err != nil {
		return err
	}
	for _, name := range []string{writeLock, gcLock} {
		tickets, err := r.store.Holders(ctx, name)
		if err != nil {
			return err
		}
		for _, t := range tickets {
			if t.Certain || !force && !t.Expired && !ownerIsGone(t, self) {
				continue
			}
			if err := r.store.Break(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}
