package hostfs

import (
	"errors"
	"os"
	"runtime"
)

// ErrLocked says that another open file holds the lock.
var ErrLocked = errors.New("somebody else holds the lock")

// Lock takes the exclusive lock of an open file, or returns ErrLocked. The lock keeps out every other open of the file,
// in this process or another, and ends with f, however the process ends. What the file holds can be read and written
// all the while.
func Lock(f *os.File) error { return lockFile(f, lockHow{exclusive: true}) }

// LockShared takes a lock that others share and that keeps exclusive ones out, or returns ErrLocked.
func LockShared(f *os.File) error { return lockFile(f, lockHow{}) }

// LockWaiting is Lock, but waits for as long as somebody else holds the lock.
func LockWaiting(f *os.File) error { return lockFile(f, lockHow{exclusive: true, wait: true}) }

// Unlock gives a lock back. Closing f does not do that while a process that was started just now still has its copy of
// the handle.
func Unlock(f *os.File) error {
	if err := unlockHandle(f.Fd()); err != nil {
		return &os.PathError{Op: "unlock", Path: f.Name(), Err: err}
	}
	return nil
}

type lockHow struct{ exclusive, wait bool }

func lockFile(f *os.File, how lockHow) error {
	err := lockHandle(f.Fd(), how)
	if err != nil && !errors.Is(err, ErrLocked) {
		err = &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return err
}

// RemoveLocked removes a file that is locked, and then lets go of it: who waits for the lock, or looks for the file, sees
// it gone. On Windows, which removes no open file, it is let go first.
func RemoveLocked(f *os.File) error {
	if runtime.GOOS == "windows" {
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
	return errors.Join(os.Remove(f.Name()), f.Close())
}
