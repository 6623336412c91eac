package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"davit/backup/repo/storage"
)

const (
	lockPoll = 20 * time.Millisecond
	lockWait = 60 * time.Second
)

// lockPause is how long to wait before the next try. Where locks are tickets those who
// want one must not try in step.
func (r *Repository) lockPause() time.Duration {
	if r.pause > 0 {
		return r.pause
	}
	if r.store.Local() {
		return lockPoll
	}
	return 10*lockPoll + rand.N(40*lockPoll)
}

// lockOwner is what the holder writes into the lock file.
type lockOwner struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`

	Process process `json:"process"`
}

// heldLock is a lock; it goes away with the process, or soon after.
type heldLock struct{ storage.Lock }

// tryWriteLock takes the lock, or returns a *LockedError at once.
func (r *Repository) tryWriteLock(ctx context.Context) (*heldLock, error) {
	return r.takeLock(ctx, writeLock)
}

// tryGCLock takes the lock of those who remove blobs.
func (r *Repository) tryGCLock(ctx context.Context) (*heldLock, error) {
	return r.takeLock(ctx, gcLock)
}

func (r *Repository) takeLock(ctx context.Context, name string) (*heldLock, error) {
	process, err := thisProcess()
	if err != nil {
		return nil, err
	}
	owner, err := encodeChecked(lockOwner{Host: r.opt.Host, PID: os.Getpid(), Since: r.opt.Now().UTC().Round(0), Process: process})
	if err != nil {
		return nil, err
	}
	lock, err := r.store.Lock(ctx, name, owner)
	locked := (*storage.LockedError)(nil)
	if errors.As(err, &locked) && ownerIsGone(locked.Ticket, process) {
		if err = r.store.Break(ctx, locked.Ticket); err == nil {
			lock, err = r.store.Lock(ctx, name, owner)
		}
	}
	if errors.As(err, &locked) {
		return nil, r.lockedBy(name, locked.Ticket.Owner)
	}
	if err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	return &heldLock{lock}, nil
}

// waitWriteLock waits for the lock for a minute, which is long for what it is
// held for, and no longer than ctx.
func (r *Repository) waitWriteLock(ctx context.Context) (*heldLock, error) {
	deadline := time.Now().Add(lockWait)
	for {
		lock, err := r.tryWriteLock(ctx)
		if locked := (*LockedError)(nil); !errors.As(err, &locked) || time.Now().After(deadline) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(r.lockPause()):
		}
	}
}

// ownerIsGone tells whether the holder of a lock was a process that is certain not to live any more.
func ownerIsGone(t storage.Ticket, self process) bool {
	var owner lockOwner
	return !t.Certain && json.Unmarshal(t.Owner, &owner) == nil && owner.Process.gone(self)
}

func (r *Repository) lockedBy(name string, owner []byte) *LockedError {
	locked := &LockedError{Path: r.Dir() + "/" + name}
	var o lockOwner
	if json.Unmarshal(owner, &o) == nil {
		locked.Host, locked.PID, locked.Since = o.Host, o.PID, o.Since
	}
	return locked
}
