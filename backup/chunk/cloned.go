package chunk

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// ErrNoClones says that the file system of a tree cannot share blocks between files.
var ErrNoClones = errors.New("the file system makes no reflink clones")

// cloned is a unit whose big file waits in a clone. The key of the cache and the header are made from what the kernel
// said of the file itself: the clone has other times and another inode.
type cloned struct {
	source       *source
	plain, lines []byte // what goes before its header
}

// readCloned finishes a unit whose big file waits in a clone.
func (w *worker) readCloned(ctx context.Context, u *unit) error {
	c := u.cloned
	u.cloned = nil
	defer c.source.close()
	w.plain, w.lines = append(w.plain[:0], c.plain...), append(w.lines[:0], c.lines...)
	if err := w.addBigContent(ctx, u, c.source); err != nil {
		return err
	}
	return w.finishUnit(ctx, u)
}

// storeCloned reads and stores the units whose big files wait in clones.
func (p *pass) storeCloned(ctx context.Context, units []*unit) error {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan *unit)
	group.Go(func() error {
		defer close(jobs)
		for _, u := range units {
			if u.cloned == nil {
				continue
			}
			select {
			case jobs <- u:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	p.startWorkers(ctx, group, jobs)
	return group.Wait()
}

// Close gives up what waits to be stored. It does nothing after Store has succeeded.
func (p *Pending) Close() {
	for _, u := range p.units {
		if u.cloned != nil {
			u.cloned.source.close()
			u.cloned = nil
		}
	}
}
