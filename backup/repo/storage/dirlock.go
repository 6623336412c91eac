package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"davit/engine/hostfs"
)

const (
	maxOwner = 1 << 20 // bounds what is read of the owner of a lock

	// How long a lock is waited for that nobody has put his name to, and how often it is tried meanwhile.
	namelessMoment = 2 * time.Second
	namelessPoll   = 2 * time.Millisecond
)

// dirClaim is a file that is locked as long as its writer lives.
type dirClaim struct {
	path string
	file *os.File
}

// Claim locks the file before it gets its name, so that nobody who sees it finds
// it unlocked while its writer lives. It is durable, for after a power cut an empty file
// would not tell who its writer was: he would count as alive.
func (d *dir) Claim(_ context.Context, name string, content []byte) (Claim, error) {
	c := &dirClaim{path: d.path(name)}
	temp := d.path(path.Join(path.Dir(name), tempPrefix+path.Base(name)))
	var err error
	if c.file, err = os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm); err != nil {
		return nil, err
	}
	_, err = c.file.Write(content)
	if err == nil {
		err = c.file.Sync()
	}
	if err == nil {
		err = hostfs.Lock(c.file)
	}
	if err == nil {
		err = os.Rename(temp, c.path)
	}
	if err != nil {
		return nil, errors.Join(err, c.file.Close(), os.Remove(temp))
	}
	return c, nil
}

// Touch changes little when it goes wrong: the lock tells more.
func (c *dirClaim) Touch(context.Context) error { return touchNow(c.file) }

func (c *dirClaim) Time(context.Context) (time.Time, error) {
	info, err := c.file.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Release removes the file before the lock goes.
func (c *dirClaim) Release(context.Context) error {
	err := os.Remove(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, c.file.Close())
}

func (d *dir) Grip(_ context.Context, name string) (Grip, error) {
	f, _, err := openRegularAt(nil, d.path(name))
	if err != nil {
		return Unknown, err
	}
	defer f.Close()
	switch err := hostfs.Lock(f); {
	case err == nil:
		return Free, hostfs.Unlock(f)
	case errors.Is(err, hostfs.ErrLocked):
		return Taken, nil
	default:
		return Unknown, err
	}
}

// dirLock goes away with the process.
type dirLock struct{ file *os.File }

func (d *dir) Lock(ctx context.Context, name string, owner []byte) (Lock, error) {
	file, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, err
	}
	err = d.takeLock(ctx, name, file)
	if err == nil {
		err = writeOwner(file, owner)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &dirLock{file: file}, nil
}

// takeLock returns a *LockedError when somebody holds the lock. One who has not written himself down is about to, or gives
// it back, or only looks whether it is held: that takes a moment.
func (d *dir) takeLock(ctx context.Context, name string, file *os.File) error {
	for began := time.Now(); ; {
		err := hostfs.Lock(file)
		if !errors.Is(err, hostfs.ErrLocked) {
			return err
		}
		locked := &LockedError{Ticket: Ticket{Name: name, Owner: readOwner(d.path(name)), Certain: true}}
		if len(locked.Ticket.Owner) > 0 || time.Since(began) > namelessMoment {
			return locked
		}
		select {
		case <-ctx.Done():
			return locked
		case <-time.After(namelessPoll):
		}
	}
}

func (l *dirLock) Check() error { return nil }

// Release empties the file, so that nobody is named who does not hold it, and
// gives the lock back. The file stays: removing it would let two hold it.
func (l *dirLock) Release() {
	_ = l.file.Truncate(0)
	_ = hostfs.Unlock(l.file)
	_ = l.file.Close()
}

func writeOwner(file *os.File, owner []byte) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt(owner, 0)
	return err
}

// readOwner returns nothing when the owner did not write himself down.
func readOwner(path string) []byte {
	f, _, err := openRegularAt(nil, path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxOwner))
	if err != nil {
		return nil
	}
	return data
}

func (d *dir) Holders(ctx context.Context, name string) ([]Ticket, error) {
	grip, err := d.Grip(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && grip == Free:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []Ticket{{Name: name, Owner: readOwner(d.path(name)), Certain: true}}, nil
}

// Break has nothing to do: the kernel takes a lock from the dead.
func (d *dir) Break(context.Context, Ticket) error { return nil }
