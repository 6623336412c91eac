package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	lockPoll = 20 * time.Millisecond
	lockWait = 60 * time.Second
)

// lockOwner is what the holder writes into the lock file.
type lockOwner struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// heldLock is a lock; it goes away with the process.
type heldLock struct{ file *os.File }

// tryWriteLock takes the lock, or returns a *LockedError at once.
func (r *Repository) tryWriteLock() (*heldLock, error) { return r.takeLock(writeLock) }

// tryGCLock takes the lock of those who remove blobs.
func (r *Repository) tryGCLock() (*heldLock, error) { return r.takeLock(gcLock) }

func (r *Repository) takeLock(name string) (*heldLock, error) {
	path := r.path(name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	locked, err := tryLock(file)
	if err == nil && !locked {
		err = lockedBy(path)
	}
	if err == nil {
		err = writeOwner(file, lockOwner{Host: r.opt.Host, PID: os.Getpid(), Since: r.opt.Now().UTC().Round(0)})
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &heldLock{file: file}, nil
}

// waitWriteLock waits for the lock for a minute, which is long for what it is
// held for, and no longer than ctx.
func (r *Repository) waitWriteLock(ctx context.Context) (*heldLock, error) {
	deadline := time.Now().Add(lockWait)
	for {
		lock, err := r.tryWriteLock()
		if locked := (*LockedError)(nil); !errors.As(err, &locked) || time.Now().After(deadline) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(lockPoll):
		}
	}
}

// Release empties the file, so that nobody is named who does not hold it, and
// gives the lock back. The file stays: removing it would let two hold it.
func (l *heldLock) Release() {
	_ = l.file.Truncate(0)
	_ = l.file.Close()
}

func writeOwner(file *os.File, owner lockOwner) error {
	data, err := json.Marshal(owner)
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(data, '\n'), 0)
	return err
}

func lockedBy(path string) *LockedError {
	locked := &LockedError{Path: path}
	data, err := readSmallFile(path)
	if err != nil {
		return locked
	}
	var owner lockOwner
	if json.Unmarshal(data, &owner) == nil {
		locked.Host, locked.PID, locked.Since = owner.Host, owner.PID, owner.Since
	}
	return locked
}
