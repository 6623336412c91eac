//go:build linux

package hostfs

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// maxWorkers is the most goroutines a sweep uses.
const maxWorkers = 64

// count returns how many goroutines to use: more than there are processors, because a cold disk answers several
// requests faster than one.
func (o SweepOptions) count() int {
	if o.Workers > 0 {
		return min(o.Workers, maxWorkers)
	}
	return min(max(4*runtime.GOMAXPROCS(0), 8), maxWorkers)
}

// Sweep visits the root and everything below it in no order: a walk for adding up, which holds no tree, allocates
// nothing for what is no folder, and shares even a single huge folder between its workers. The root itself is visited
// with in = top. A cancelled ctx ends the sweep with ctx's error; a root that cannot be read ends it too, while anything
// below is a Problem.
func Sweep[T any](ctx context.Context, r *Root, o SweepOptions, top T, visit SweepVisit[T]) error {
	s := &sweeper[T]{
		walker: newWalker(r.fd, WalkOptions{EnterMount: o.EnterMount, Problem: o.Problem}),
		visit:  visit,
	}
	s.work.L = &s.mu
	if err := s.sweep(ctx, o.count(), top); err != nil {
		return err
	}
	if s.walker.rootErr != nil {
		return fmt.Errorf("walk %s: %w", r.path, s.walker.rootErr)
	}
	return nil
}

// sweeper is one sweep under way. It opens folders as a walk does.
type sweeper[T any] struct {
	walker *walker
	visit  SweepVisit[T]

	mu    sync.Mutex
	work  sync.Cond
	stack []batch[T]   // for whoever is free: the last one first, so that it stays short
	busy  int          // workers that have batches in hand
	idle  atomic.Int32 // workers that wait for one
}

// batch is the next bufferful of a folder's entries.
type batch[T any] struct {
	dir    *folder
	in     T
	opened bool // by the batch before; the descriptor knows where to go on
}

func (s *sweeper[T]) sweep(ctx context.Context, workers int, top T) error {
	root := Entry{}
	if root.Stat, s.walker.rootErr = StatFd(s.walker.rootFD); s.walker.rootErr != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	in, enter := s.visit(0, top, &root)
	if !enter {
		return nil
	}
	s.stack = append(s.stack, batch[T]{dir: &folder{fd: -1, mount: root.mount()}, in: in})
	unhook := context.AfterFunc(ctx, s.stop)
	defer unhook()
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() { s.run(n) })
	}
	group.Wait()
	for _, b := range s.stack { // of a cancelled sweep
		b.release()
	}
	return ctx.Err()
}

// release lets go of the descriptor that the batch would have read from.
func (b *batch[T]) release() {
	switch {
	case b.opened:
		b.dir.leave()
	case b.dir.viaParent:
		b.dir.parent.leave()
	}
}

func (s *sweeper[T]) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.walker.queue.stopped.Store(true)
	s.work.Broadcast()
}

// run is one worker.
func (s *sweeper[T]) run(n int) {
	w := sweepWorker[T]{sweeper: s, n: n}
	for b, ok := s.next(); ok; b, ok = s.next() {
		w.read(b)
		w.readOwn()
		s.done()
	}
}

// next takes the last batch, and waits while there is none but may be one; false when all is done or stopped.
func (s *sweeper[T]) next() (b batch[T], ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.walker.queue.stopped.Load() {
		if n := len(s.stack); n > 0 {
			b, s.stack[n-1] = s.stack[n-1], b
			s.stack = s.stack[:n-1]
			s.busy++
			return b, true
		}
		if s.busy == 0 {
			break
		}
		s.idle.Add(1)
		s.work.Wait()
		s.idle.Add(-1)
	}
	return b, false
}

func (s *sweeper[T]) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.busy == 0 && len(s.stack) == 0 {
		s.work.Broadcast()
	}
}

// add leaves batches to whoever is free.
func (s *sweeper[T]) add(some ...batch[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack = append(s.stack, some...)
	for range min(len(some), int(s.idle.Load())) {
		s.work.Signal()
	}
}

// sweepWorker is one goroutine of a sweep with its scratch space.
type sweepWorker[T any] struct {
	*sweeper[T]
	n      int
	reader reader
	entry  Entry
	own    []batch[T] // what nobody else can take, the last one first
}

// readOwn works off what is the worker's own, and shares it while others have nothing to do.
func (w *sweepWorker[T]) readOwn() {
	for len(w.own) > 0 {
		if w.walker.queue.stopped.Load() {
			w.giveUp()
			return
		}
		if n := len(w.own) / 2; n > 0 && w.idle.Load() > 0 { // the first ones lie higher in the tree
			w.add(w.own[:n]...)
			w.own = slices.Delete(w.own, 0, n)
		}
		last := len(w.own) - 1
		b := w.own[last]
		w.own[last] = batch[T]{}
		w.own = w.own[:last]
		w.read(b)
	}
}

// giveUp leaves what is not read, so that the sweep lets go of it.
func (w *sweepWorker[T]) giveUp() {
	w.add(w.own...)
	w.own = nil
}

// read visits one bufferful of a folder's entries. What follows in the folder is left to whoever is free, before the
// entries are looked at, which takes most of the time.
func (w *sweepWorker[T]) read(b batch[T]) {
	f := b.dir
	if !b.opened && !w.walker.open(&w.reader, f) {
		return
	}
	defer f.leave()
	buf, err := w.reader.fill(f.fd)
	if err != nil {
		w.walker.fail(f, fmt.Errorf("read folder: %w", err))
		return
	}
	if len(buf) == 0 {
		return
	}
	// A buffer with much room left is a folder's last but for the empty one that says so.
	if rest := (batch[T]{dir: f, in: b.in, opened: true}); len(buf) > direntSize/2 {
		f.users.Add(1)
		w.add(rest)
		w.look(f, b.in, buf)
		return
	}
	for len(buf) > 0 && !w.walker.queue.stopped.Load() {
		w.look(f, b.in, buf)
		if buf, err = w.reader.fill(f.fd); err != nil {
			w.walker.fail(f, fmt.Errorf("read folder: %w", err))
		}
	}
}

// look visits the entries in a buffer.
func (w *sweepWorker[T]) look(f *folder, in T, buf []byte) {
	e := &w.entry
	e.Dir = f.path
	first := len(w.own)
	var name []byte
	for n := 1; len(buf) > 0; n++ {
		if n%64 == 0 && w.walker.queue.stopped.Load() {
			break
		}
		if _, name, buf = nextDirent(buf); isDots(name) {
			continue
		}
		if err := statxAt(f.fd, unsafe.SliceData(name), &w.reader.statx, &e.Stat); err != nil {
			w.walker.problem(join(f.path, string(name)), fmt.Errorf("stat: %w", err))
			continue
		}
		e.Name = unsafe.String(unsafe.SliceData(name), len(name))
		below, enter := w.visit(w.n, in, e)
		if !e.IsDir() || !enter {
			continue
		}
		if path := join(f.path, string(name)); w.walker.enters(f, path, &e.Stat) {
			w.own = append(w.own, batch[T]{dir: &folder{parent: f, path: path, mount: e.mount(), fd: -1}, in: below})
		}
	}
	w.keepOpen(f, w.own[first:])
}

// keepOpen keeps a folder open for those in it, unless too many are open already.
func (w *sweepWorker[T]) keepOpen(f *folder, subs []batch[T]) {
	if len(subs) == 0 || w.walker.kept.n.Load() > maxKeptFDs {
		return
	}
	for _, b := range subs {
		b.dir.viaParent = true
	}
	f.users.Add(int32(len(subs)))
}
