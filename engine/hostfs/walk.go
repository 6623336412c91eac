//go:build linux

package hostfs

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// Walk visits the root and everything below it: depth first, the names of a folder sorted by their bytes, a folder before
// what is in it. visit runs in the caller's goroutine, and its entry is valid only until it returns (the strings stay
// valid). Its first error ends the walk and is returned as it is. A cancelled ctx ends the walk with ctx's error; a root
// that cannot be read ends it too, while anything below is a Problem.
//
// Folders are read ahead of the visit in about the order in which it needs them, up to some 200,000 entries; so the
// stat of an entry may be older than its visit.
func (r *Root) Walk(ctx context.Context, o WalkOptions, visit func(*Entry) error) error {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	w := newWalker(r.fd, o)
	if err := w.walk(ctx, visit); err != nil {
		return err
	}
	if w.rootErr != nil {
		return fmt.Errorf("walk %s: %w", r.path, w.rootErr)
	}
	return nil
}

// walker is one walk under way.
type walker struct {
	options WalkOptions
	rootFD  int
	queue   *queue
	kept    keptFDs
	rootErr error // of reading the root itself
}

func newWalker(rootFD int, o WalkOptions) *walker {
	return &walker{options: o, rootFD: rootFD, queue: newQueue(maxWaiting)}
}

// walk begins with the root and ends when everything is visited, with the first error of visit, or with ctx's. Nothing
// runs or is open afterwards.
func (w *walker) walk(ctx context.Context, visit func(*Entry) error) error {
	top := Entry{}
	if top.Stat, w.rootErr = StatFd(w.rootFD); w.rootErr != nil {
		return nil
	}
	first := &task{dir: &folder{fd: -1, mount: top.mount()}}
	w.queue.add(first)
	unhook := context.AfterFunc(ctx, w.queue.stop)
	var workers sync.WaitGroup
	for range w.options.Workers {
		workers.Go(w.readAhead)
	}
	defer func() {
		unhook()
		w.queue.stop()
		workers.Wait()
		w.queue.drain()
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := visit(&top); err != nil {
		return err
	}
	if err := w.deliver(first, visit); err != nil {
		return err
	}
	return ctx.Err()
}

// readAhead is one worker.
func (w *walker) readAhead() {
	var r reader
	for t := w.queue.next(); t != nil; t = w.queue.next() {
		w.run(&r, t)
	}
}

// run reads what t stands for and hands the result, with the tasks that follow from it, to the queue.
func (w *walker) run(r *reader, t *task) {
	w.read(r, t)
	w.queue.finish(t)
}

// place is where the delivery is in one folder: before an entry of one of its tasks, after which the folder of that entry
// may follow.
type place struct {
	task  *task
	entry int
	sub   int
}

// deliver visits everything below top in order. It returns nil when the queue was stopped.
func (w *walker) deliver(top *task, visit func(*Entry) error) error {
	var r reader
	var e Entry
	stack := []place{{task: top}}
	for len(stack) > 0 {
		p := &stack[len(stack)-1]
		if p.entry == 0 && !w.obtain(&r, p.task) {
			return nil
		}
		into, err := w.visitSome(p, &e, visit)
		switch {
		case err != nil:
			return err
		case w.queue.stopped.Load():
			return nil
		case into != nil:
			stack = append(stack, place{task: into})
		case p.task.rest != nil:
			w.queue.visited(p.task)
			*p = place{task: p.task.rest}
		default:
			w.queue.visited(p.task)
			stack = stack[:len(stack)-1]
		}
	}
	return nil
}

// visitSome visits entries from p on, up to and with the next folder to go into, whose task it returns.
func (w *walker) visitSome(p *place, e *Entry, visit func(*Entry) error) (*task, error) {
	t := p.task
	e.Dir = t.dir.path
	for p.entry < len(t.found) && !w.queue.stopped.Load() {
		f := &t.found[p.entry]
		e.Name, e.Stat = f.name, f.st
		if err := visit(e); err != nil {
			return nil, err
		}
		p.entry++
		if p.sub < len(t.subs) && t.subs[p.sub].after == p.entry {
			p.sub++
			return t.subs[p.sub-1].task, nil
		}
	}
	return nil, nil
}

// obtain makes sure that t is done: it runs t itself when no worker has begun it. It is false when the walk was stopped.
func (w *walker) obtain(r *reader, t *task) bool {
	if w.queue.claim(t) {
		w.run(r, t)
		return true
	}
	return w.queue.await(t)
}
