package repo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
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
	name := fmt.Sprintf("pid %d on %s", s.PID, s.Host)
	if s.Job != "" {
		name = "job " + s.Job + ", " + name
	}
	return name
}

// Sessions lists who writes, and who died while writing. A session whose file
// cannot be read counts as alive and older than everything.
func (r *Repository) Sessions() ([]SessionState, error) {
	now, err := r.sessionTime()
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	entries, err := os.ReadDir(r.path(sessionDir))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	var list []SessionState
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), sessionSuffix)
		if !ok || !isUUID(id) {
			continue
		}
		s, err := r.sessionState(id, now)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended since the listing
		}
		if err != nil {
			return nil, fmt.Errorf("look at session %s: %w", id, err)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b SessionState) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// sessionTime is the time by the clock of the file system, as well as one can
// tell without writing.
func (r *Repository) sessionTime() (time.Time, error) {
	if r.opt.ReadOnly {
		return r.opt.Now(), nil
	}
	f, err := os.CreateTemp(r.path(sessionDir), ".davit-time-")
	if err != nil {
		return time.Time{}, err
	}
	now, err := serverTime(f)
	return now, errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (r *Repository) sessionState(id string, now time.Time) (SessionState, error) {
	path := r.path(sessionDir, id+sessionSuffix)
	s := SessionState{ID: id}
	info, err := os.Lstat(path)
	if err != nil {
		return s, err
	}
	s.Seen = info.ModTime().UTC()
	s.Dead = sessionIsDead(path, r.opt.Host, now)
	if data, err := readSmallFile(path); err == nil {
		var content sessionFile
		if json.Unmarshal(data, &content) == nil {
			s.Host, s.Job, s.PID, s.Began, s.GCSeen = content.Host, content.Job, content.PID, content.Time, content.GCSeen
		}
	}
	s.Locked, err = isLocked(path)
	return s, err
}

// isLocked tells whether somebody holds the lock of a file.
func isLocked(path string) (bool, error) {
	f, _, err := openRegular(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	free, err := tryLock(f)
	return !free, err
}

// Unlock removes the session files of the dead, with their half-written blobs:
// while a session counts as alive, nothing that it might need is removed. With
// force those go as well of which it cannot be told whether they live; the
// caller knows that they do not. One that holds its lock always stays. It
// returns those removed and those that stay.
func (r *Repository) Unlock(ctx context.Context, force bool) (removed, kept []SessionState, err error) {
	if r.opt.ReadOnly {
		return nil, nil, fmt.Errorf("unlock: %w", ErrReadOnly)
	}
	sessions, err := r.Sessions()
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
	var held []*LockedError
	for _, name := range []string{writeLock, gcLock} {
		locked, err := isLocked(r.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at lock %s: %w", name, err)
		}
		if locked {
			held = append(held, lockedBy(r.path(name)))
		}
	}
	return held, nil
}
