package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"
)

const (
	ticketRefresh = time.Minute
	ticketTrusted = 10 * time.Minute // the holder works on without having refreshed it
	ticketExpires = time.Hour        // others wait that long for a refresh, by the server's clock
)

// remoteClaim is a file that is put again and again.
type remoteClaim struct {
	r       *remote
	name    string
	content []byte
}

func (r *remote) Claim(ctx context.Context, name string, content []byte) (Claim, error) {
	c := &remoteClaim{r: r, name: name, content: content}
	return c, c.Touch(ctx)
}

func (c *remoteClaim) Touch(ctx context.Context) error { return c.r.Put(ctx, c.name, c.content) }

func (c *remoteClaim) Time(ctx context.Context) (time.Time, error) {
	info, err := c.r.Stat(ctx, c.name)
	return info.Time, err
}

func (c *remoteClaim) Release(ctx context.Context) error { return c.r.Remove(ctx, c.name) }

func (r *remote) Grip(context.Context, string) (Grip, error) { return Unknown, nil }

// ticketFolder is where those put their tickets who want a lock.
func ticketFolder(lock string) string { return strings.TrimSuffix(lock, ".lock") }

func newTicketName() string { return rand.Text() }

// remoteLock is a ticket that is kept alive.
type remoteLock struct {
	r     *remote
	name  string
	owner []byte
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu   sync.Mutex
	seen time.Duration // on the clock of the machine that does not stop: when it was surely there
	lost error
}

// Lock puts a ticket and looks whether there is another.
func (r *remote) Lock(ctx context.Context, lock string, owner []byte) (Lock, error) {
	l := &remoteLock{r: r, name: ticketFolder(lock) + "/" + newTicketName() + ".json", owner: owner}
	err := l.put(ctx)
	if err == nil {
		err = l.alone(ctx, lock)
	}
	if err != nil { // a put that went wrong may have left the ticket nevertheless
		if rerr := r.Remove(context.WithoutCancel(ctx), l.name); rerr != nil {
			r.released.Store(l.name, true)
		}
		return nil, err
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.done.Go(func() { l.keep(keeping) })
	return l, nil
}

// put puts the ticket; from before that on it is known to be there.
func (l *remoteLock) put(ctx context.Context) error {
	before, err := bootTime()
	if err != nil {
		return err
	}
	if err := l.r.Put(ctx, l.name, l.owner); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = before
	return nil
}

// alone returns a *LockedError when somebody else has a living ticket.
func (l *remoteLock) alone(ctx context.Context, lock string) error {
	entries, err := l.r.entries(ctx, ticketFolder(lock))
	if err != nil {
		return err
	}
	var now time.Time
	for _, e := range entries {
		if e.name == l.name {
			now = e.info.Time
		}
	}
	if now.IsZero() {
		return &UnfitError{Reason: "what was put is not listed"}
	}
	for _, e := range entries {
		if e.name == l.name || now.Sub(e.info.Time) > l.r.expired {
			continue
		}
		if _, released := l.r.released.Load(e.name); released {
			continue
		}
		data, err := l.r.Get(ctx, e.name, maxOwner)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was there, and is not any more: he saw this ticket, or was done
		}
		if err != nil {
			return err
		}
		return &LockedError{Ticket: Ticket{Name: e.name, Owner: data, Seen: e.info.Time}}
	}
	return nil
}

// keep puts the ticket again each minute, unless somebody took it away.
func (l *remoteLock) keep(ctx context.Context) {
	ticker := time.NewTicker(ticketRefresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, err := l.r.Stat(ctx, l.name)
		if errors.Is(err, fs.ErrNotExist) {
			l.mu.Lock()
			l.lost = errors.New("somebody took the lock away")
			l.mu.Unlock()
			return
		}
		if err == nil {
			_ = l.put(ctx) // Check tells when it is too long ago
		}
	}
}

func (l *remoteLock) Check() error {
	now, err := bootTime()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	if quiet := now - l.seen; quiet > ticketTrusted {
		return fmt.Errorf("the lock could not be kept for %v: somebody else may have it", quiet.Round(time.Second))
	}
	return nil
}

func (l *remoteLock) Release() {
	l.stop()
	l.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), tryTime)
	defer cancel()
	l.r.released.Store(l.name, true)
	if l.r.Remove(ctx, l.name) == nil { // else it expires for others
		l.r.released.Delete(l.name)
	}
}

func (r *remote) Holders(ctx context.Context, lock string) ([]Ticket, error) {
	entries, err := r.entries(ctx, ticketFolder(lock))
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	now, err := r.Now(ctx)
	if err != nil {
		now = time.Time{} // of a server that lets us only read: nobody is expired
	}
	var list []Ticket
	for _, e := range entries {
		data, err := r.Get(ctx, e.name, maxOwner)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, Ticket{Name: e.name, Owner: data, Seen: e.info.Time, Expired: now.Sub(e.info.Time) > r.expired})
	}
	return list, nil
}

func (r *remote) Break(ctx context.Context, t Ticket) error { return r.Remove(ctx, t.Name) }
