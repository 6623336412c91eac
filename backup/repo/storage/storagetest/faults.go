package storagetest

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"davit/backup/repo/storage"
)

// Fault is what happens to one operation.
type Fault struct {
	Err    error
	Done   bool // the operation has its effect nevertheless: its answer is lost
	Torn   bool // a put that leaves half of its bytes, as no atomic store does but a broken one
	Killed bool // nothing after it happens any more: the client is dead
}

// ErrKilled is what a dead client would get.
var ErrKilled = errors.New("killed")

// FaultKinds are what an operation can do other than what it should. An answer that is lost is as bad as a
// timeout or a connection that is reset after the request: it was done, and nobody knows.
func FaultKinds() map[string]Fault {
	return map[string]Fault{
		"EIO":              {Err: syscall.EIO},
		"ENOSPC":           {Err: syscall.ENOSPC},
		"503 slow down":    {Err: errors.New("503 Slow Down")},
		"timeout":          {Err: context.DeadlineExceeded, Done: true},
		"connection reset": {Err: syscall.ECONNRESET, Done: true},
		"killed before":    {Err: ErrKilled, Killed: true},
		"killed after":     {Err: ErrKilled, Killed: true, Done: true},
	}
}

// Faults counts the operations of a client and lets one go wrong.
type Faults struct {
	mu    sync.Mutex
	count int
	at    int // 0: none
	fault Fault
	dead  bool
}

// Set lets the n-th operation from now on go wrong; 0 is none.
func (f *Faults) Set(n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.fault, f.dead = 0, n, fault, false
}

// Count is the number of operations since Set.
func (f *Faults) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *Faults) next() (fault Fault, hit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return Fault{Err: ErrKilled, Killed: true}, true
	}
	f.count++
	if f.count != f.at {
		return Fault{}, false
	}
	f.dead = f.fault.Killed
	return f.fault, true
}

// do runs an operation that changes something, or does not.
func (f *Faults) do(op func() error) error {
	fault, hit := f.next()
	if !hit {
		return op()
	}
	if fault.Done {
		if err := op(); err != nil {
			return err
		}
	}
	return fault.Err
}

// FaultyObjects is a client of a server whose operations go wrong.
type FaultyObjects struct {
	storage.Objects
	*Faults
	Retry bool // errors are such that trying again is of use
}

// Put goes wrong.
func (o FaultyObjects) Put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum string) error {
	return o.do(func() error { return o.Objects.Put(ctx, name, body, size, sum) })
}

// Get goes wrong.
func (o FaultyObjects) Get(ctx context.Context, name string) (in io.ReadCloser, size int64, err error) {
	err = o.do(func() (err error) { in, size, err = o.Objects.Get(ctx, name); return err })
	return in, size, err
}

// Stat goes wrong.
func (o FaultyObjects) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	err = o.do(func() (err error) { info, err = o.Objects.Stat(ctx, name); return err })
	return info, err
}

// List goes wrong.
func (o FaultyObjects) List(ctx context.Context, folder string, visit func(string, storage.Info) error) error {
	return o.do(func() error { return o.Objects.List(ctx, folder, visit) })
}

// Remove goes wrong.
func (o FaultyObjects) Remove(ctx context.Context, name string) error {
	return o.do(func() error { return o.Objects.Remove(ctx, name) })
}

// Tidy does not: what goes wrong there changes nothing.
func (o FaultyObjects) Tidy(ctx context.Context, t time.Time) error { return o.Objects.Tidy(ctx, t) }

// Final tells what Retry says.
func (o FaultyObjects) Final(error) bool { return !o.Retry }

// FaultyStorage is a storage whose operations go wrong. It is for a folder, where the kernel has no
// seam of its own.
type FaultyStorage struct {
	storage.Storage
	*Faults
}

// Get goes wrong.
func (s FaultyStorage) Get(ctx context.Context, name string, limit int64) (data []byte, err error) {
	err = s.do(func() (err error) { data, err = s.Storage.Get(ctx, name, limit); return err })
	return data, err
}

// List goes wrong.
func (s FaultyStorage) List(ctx context.Context, folder string, visit func(storage.Entry) error) error {
	return s.do(func() error { return s.Storage.List(ctx, folder, visit) })
}

// Put goes wrong.
func (s FaultyStorage) Put(ctx context.Context, name string, data []byte) error {
	return s.do(func() error { return s.Storage.Put(ctx, name, data) })
}

// PutFrom goes wrong before the bytes are written, in the middle of them, or after.
func (s FaultyStorage) PutFrom(ctx context.Context, name string, write func(io.Writer) error) error {
	fault, hit := s.next()
	if !hit {
		return s.Storage.PutFrom(ctx, name, write)
	}
	err := s.Storage.PutFrom(ctx, name, func(w io.Writer) error {
		if err := write(w); err != nil {
			return err
		}
		if !fault.Done {
			return fault.Err
		}
		return nil
	})
	return errors.Join(fault.Err, err)
}

// Remove goes wrong.
func (s FaultyStorage) Remove(ctx context.Context, name string) error {
	return s.do(func() error { return s.Storage.Remove(ctx, name) })
}

// RemoveBlobs goes wrong, with Done after half of them.
func (s FaultyStorage) RemoveBlobs(ctx context.Context, names []string, gone func(string, int64)) error {
	fault, hit := s.next()
	if !hit {
		return s.Storage.RemoveBlobs(ctx, names, gone)
	}
	if fault.Done {
		if err := s.Storage.RemoveBlobs(ctx, names[:len(names)/2], gone); err != nil {
			return err
		}
	}
	return fault.Err
}

// Sync goes wrong.
func (s FaultyStorage) Sync(ctx context.Context) error {
	return s.do(func() error { return s.Storage.Sync(ctx) })
}

// Claim goes wrong.
func (s FaultyStorage) Claim(ctx context.Context, name string, content []byte) (c storage.Claim, err error) {
	fault, hit := s.next()
	if hit {
		return nil, fault.Err
	}
	return s.Storage.Claim(ctx, name, content)
}

// WriteBlob goes wrong after half of the bytes, which stay in a folder; a server wants all.
func (s FaultyStorage) WriteBlob(ctx context.Context, name string, data []byte) error {
	fault, hit := s.next()
	if !hit {
		return s.Storage.WriteBlob(ctx, name, data)
	}
	if s.Local() {
		return errors.Join(fault.Err, s.Storage.WriteBlob(ctx, name, data[:len(data)/2]))
	}
	return fault.Err
}

// Create goes wrong.
func (s FaultyStorage) Create(ctx context.Context, owner string) (storage.Temp, error) {
	fault, hit := s.next()
	if hit {
		return nil, fault.Err
	}
	t, err := s.Storage.Create(ctx, owner)
	return &faultyTemp{Temp: t, faults: s.Faults}, err
}

type faultyTemp struct {
	storage.Temp
	faults *Faults
}

// Write goes wrong after half of the bytes.
func (t *faultyTemp) Write(p []byte) (int, error) {
	fault, hit := t.faults.next()
	if !hit {
		return t.Temp.Write(p)
	}
	n, err := t.Temp.Write(p[:len(p)/2])
	return n, errors.Join(fault.Err, err)
}

// Publish goes wrong.
func (t *faultyTemp) Publish(ctx context.Context, name string, replace bool) error {
	return t.faults.do(func() error { return t.Temp.Publish(ctx, name, replace) })
}

// Abort leaves a dead client's file where it is.
func (t *faultyTemp) Abort() {
	t.faults.mu.Lock()
	dead := t.faults.dead
	t.faults.mu.Unlock()
	if !dead {
		t.Temp.Abort()
	}
}
