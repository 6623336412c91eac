package storage

import (
	"context"
	"fmt"
	"sync"
)

// pendingBytes bounds the memory of what is on its way.
const pendingBytes = 32 << 20

// uploads sends blobs while their makers go on. What goes wrong is told by each later call:
// nobody knows any more what is there.
type uploads struct {
	send     func(ctx context.Context, name string, b body) error
	parallel int
	ctx      context.Context // of all uploads; ends with close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	names   map[string]body // on their way
	bytes   int64           // of these, in memory
	sending int
	queue   []string
	err     error // the first
}

func newUploads(parallel int, send func(context.Context, string, body) error) *uploads {
	u := &uploads{send: send, parallel: parallel, names: make(map[string]body)}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.changed = sync.NewCond(&u.mu)
	return u
}

// add takes a blob over when there is room for it. One that is on its way is not sent again.
func (u *uploads) add(ctx context.Context, name string, b body) error {
	defer u.wakeWhenDone(ctx)()
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.err == nil && ctx.Err() == nil && len(u.names) > 0 && u.bytes+int64(len(b.data)) > pendingBytes {
		u.changed.Wait()
	}
	switch _, there := u.names[name]; {
	case u.err != nil:
		return u.err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case there:
		b.close()
		return nil
	}
	u.names[name] = b
	u.bytes += int64(len(b.data))
	u.queue = append(u.queue, name)
	if u.sending < u.parallel {
		u.sending++
		u.running.Go(u.work)
	}
	return nil
}

// wakeWhenDone wakes those that wait here when ctx ends.
func (u *uploads) wakeWhenDone(ctx context.Context) (stop func()) {
	end := context.AfterFunc(ctx, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.changed.Broadcast()
	})
	return func() { end() }
}

// work sends what is queued until nothing is left.
func (u *uploads) work() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.queue) > 0 && u.err == nil {
		name := u.queue[0]
		u.queue = u.queue[1:]
		b := u.names[name]
		u.mu.Unlock()
		err := u.send(u.ctx, name, b)
		b.close()
		u.mu.Lock()
		if err != nil && u.err == nil {
			u.err = fmt.Errorf("upload: %w", err)
		}
		delete(u.names, name)
		u.bytes -= int64(len(b.data))
		u.changed.Broadcast()
	}
	u.sending--
	u.changed.Broadcast()
}

func (b body) close() {
	if b.file != nil {
		b.file.Close()
	}
}

// wait returns when nothing is on its way any more.
func (u *uploads) wait(ctx context.Context) error {
	defer u.wakeWhenDone(ctx)()
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.err == nil && ctx.Err() == nil && len(u.names) > 0 {
		u.changed.Wait()
	}
	if u.err != nil {
		return u.err
	}
	return context.Cause(ctx)
}

// pending finds a blob that is on its way. One in a file is waited for: it is closed when it is sent.
func (u *uploads) pending(name string) (body, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		b, ok := u.names[name]
		if !ok || b.file == nil || u.err != nil {
			return b, ok && b.file == nil
		}
		u.changed.Wait()
	}
}

func (u *uploads) close() {
	u.cancel()
	u.running.Wait()
}
