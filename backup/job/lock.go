package job

import (
	"context"
	"davit/engine/hostfs"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	lockPoll = 200 * time.Millisecond // how often a run that waits looks again

	// namelessMoment is how long a lock is waited for, also by a run that does not want to wait, that has nobody's name:
	// its holder is about to write it, or gives the lock back, or only looks whether somebody has it.
	namelessMoment = 2 * time.Second
)

// BusyError means that another run goes on.
type BusyError struct {
	Job   string // "" when it is not known
	PID   int
	Since time.Time
}

func (e *BusyError) Error() string {
	if e.Job == "" {
		return "another job runs"
	}
	return fmt.Sprintf("job %s runs, pid %d, since %s", e.Job, e.PID, e.Since.Local().Format("15:04"))
}

// runLock is held while a run goes on; it goes away with the process.
type runLock struct{ file *os.File }

// lockOwner is what the holder of the lock writes into its file.
type lockOwner struct {
	Job   string    `json:"job"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

func lockPath(historyDir string) string { return filepath.Join(filepath.Dir(historyDir), "lock") }

// takeLock waits for the lock for at most wait, or the moment for which it may be nameless, and no longer than ctx; waiting is
// called once when it has to wait for another run. What ends it without the lock is a *BusyError or the cause of ctx.
func (h *History) takeLock(ctx context.Context, owner lockOwner, wait time.Duration, waiting func(error)) (*runLock, error) {
	path := lockPath(h.dir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	began, told := time.Now(), false
	for {
		lock, err := tryLock(path)
		if err == nil {
			lock.sign(owner)
			return lock, nil
		}
		var busy *BusyError
		if !errors.As(err, &busy) {
			return nil, err
		}
		until := began.Add(wait)
		nameless := busy.Job == "" && time.Since(began) < namelessMoment
		if nameless {
			until = began.Add(max(wait, namelessMoment))
		}
		if !time.Now().Before(until) {
			return nil, err
		}
		if !told && !nameless {
			told = true
			waiting(err)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(min(lockPoll, time.Until(until))):
		}
	}
}

func tryLock(path string) (*runLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = hostfs.Lock(f)
	if err == nil {
		return &runLock{file: f}, nil
	}
	defer f.Close()
	if !errors.Is(err, hostfs.ErrLocked) {
		return nil, err
	}
	busy := &BusyError{}
	var owner lockOwner
	if json.NewDecoder(f).Decode(&owner) == nil {
		busy.Job, busy.PID, busy.Since = owner.Job, owner.PID, owner.Since
	}
	return nil, busy
}

// sign says whose lock it is; that is for people only, so that it may fail.
func (l *runLock) sign(owner lockOwner) {
	data, err := json.Marshal(owner)
	if err == nil && l.file.Truncate(0) == nil {
		_, _ = l.file.WriteAt(append(data, '\n'), 0)
	}
}

// release gives the lock back. The file stays: removing it would let two hold it.
func (l *runLock) release() {
	_ = l.file.Truncate(0)
	_ = hostfs.Unlock(l.file)
	_ = l.file.Close()
}

// lockHeld tells whether a run goes on, without taking the lock.
func lockHeld(historyDir string) bool {
	f, err := os.Open(lockPath(historyDir))
	if err != nil {
		return false
	}
	defer f.Close()
	// A shared lock is refused by the exclusive one of a run; taken for a moment it lets a run that begins
	// just then try once more.
	err = hostfs.LockShared(f)
	if err == nil {
		_ = hostfs.Unlock(f)
	}
	return errors.Is(err, hostfs.ErrLocked)
}
