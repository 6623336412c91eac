//go:build linux

package hostfs

import (
	"sync"
	"sync/atomic"
)

// maxWaiting is how many entries may be read and not yet visited before the workers pause.
const maxWaiting = 200_000

// task is the reading of one folder, or of one more part of a large folder, and its result. What is found is written by
// whoever runs the task, and read by the delivery after the task is done.
type task struct {
	dir      *folder
	from, to int // the names of dir.names to look at; 0, 0: list the folder first

	found []found
	subs  []sub
	rest  *task // the next part of the same folder

	prev, next *task // in the queue
	state      taskState
}

type taskState uint8

const (
	pending taskState = iota
	running
	done
)

// found is an entry that waits for its visit.
type found struct {
	name string
	st   Stat
}

// sub is a folder to go into after so many entries of its task.
type sub struct {
	after int
	task  *task
}

// queue holds the tasks that are not done, in the order in which the delivery will need them. A running task keeps its
// place, so that what follows from it is put where it belongs.
type queue struct {
	mu      sync.Mutex
	ends    task // ring of tasks: ends.next is the first
	work    sync.Cond
	ready   sync.Cond
	idle    int
	awaited *task
	waiting int // entries found and not visited
	limit   int
	stopped atomic.Bool
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.ends.next, q.ends.prev = &q.ends, &q.ends
	q.work.L, q.ready.L = &q.mu, &q.mu
	return q
}

func (q *queue) add(t *task) { q.insertAfter(&q.ends, t) }

func (q *queue) insertAfter(at, t *task) {
	t.prev, t.next = at, at.next
	at.next.prev, at.next = t, t
}

// next takes the first task nobody has begun, and waits while there is none or too much waits for its visit. It returns
// nil when the queue is stopped.
func (q *queue) next() *task {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.stopped.Load() {
		if q.waiting < q.limit {
			for t := q.ends.next; t != &q.ends; t = t.next {
				if t.state == pending {
					t.state = running
					return t
				}
			}
		}
		q.idle++
		q.work.Wait()
		q.idle--
	}
	return nil
}

// claim begins t unless somebody else has.
func (q *queue) claim(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.state != pending || q.stopped.Load() {
		return false
	}
	t.state = running
	return true
}

// await waits until t is done; false when the queue is stopped.
func (q *queue) await(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for t.state != done && !q.stopped.Load() {
		q.awaited = t
		q.ready.Wait()
	}
	q.awaited = nil
	return t.state == done
}

// finish puts the tasks that follow from t in its place.
func (q *queue) finish(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := t
	for i := range t.subs {
		q.insertAfter(at, t.subs[i].task)
		at = t.subs[i].task
	}
	if t.from == 0 { // the parts are made, all at once, when the folder is listed
		for part := t.rest; part != nil; part = part.rest {
			q.insertAfter(at, part)
			at = part
		}
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next = nil, nil
	t.state = done
	q.waiting += len(t.found)
	if q.awaited == t {
		q.ready.Signal()
	}
	q.wake()
}

// visited says that the entries of t are no longer needed.
func (q *queue) visited(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting -= len(t.found)
	t.found, t.subs = nil, nil
	if q.waiting < q.limit-q.limit/4 {
		q.wake()
	}
}

// wake calls the idle workers if there can be something to do. The caller holds mu.
func (q *queue) wake() {
	if q.idle > 0 && q.ends.next != &q.ends {
		q.work.Broadcast()
	}
}

// stop ends all waiting, for good.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped.Store(true)
	q.work.Broadcast()
	q.ready.Broadcast()
}

// drain lets go of what the tasks nobody ran hold open. Nothing else may use the queue any more.
func (q *queue) drain() {
	for t := q.ends.next; t != &q.ends; t = t.next {
		t.release()
	}
}
