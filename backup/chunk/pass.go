package chunk

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// unitsAhead bounds the units that wait between walk, workers and collector.
const unitsAhead = 64

// A pass is one reading of a tree.
type pass struct {
	saver   *Saver
	root    Tree
	cache   *Cache
	options SaveOptions
	begin   hostfs.Timespec
	trusted bool // the file system's times can be relied on
	reread  reread
	lost    map[string]struct{}
	spool   *Spool // nil: chunks are stored at once
	thawed  bool   // what waits in the spool and in clones is stored now

	chunks  chan chunkJob
	buffers chan []byte
	found   Stats

	mu       sync.Mutex
	problems []Problem // of the walk
	losing   []Problem // of primaries that could not be read
	damaged  bool      // a catalog that the cache names cannot be read
}

// A chunkJob is a chunk of a big file that waits for a worker.
type chunkJob struct {
	unit *unit
	buf  []byte
	ref  *chunkRef
}

// begin writes out what is dirty below root and notes the time before it. A
// store into a page that was dirty already moves no file time; after syncfs the
// page is clean, and the next store marks the file.
func (s *Saver) begin(root Tree, cache *Cache, o SaveOptions, lost map[string]struct{}) (*pass, error) {
	begin, err := root.Settle(s.options.Now)
	if err != nil {
		return nil, fmt.Errorf("sync %s: %w", root.Path(), err)
	}
	p := &pass{
		saver: s, root: root, cache: cache, options: o, lost: lost, begin: hostfs.TimespecOf(begin),
	}
	_, trusted, err := root.FSType()
	if err != nil {
		return nil, err
	}
	p.trusted = trusted
	if o.Reread > 0 {
		p.reread = reread{shares: uint64(o.Reread), turn: cache.nextTurn()}
	}
	workers := s.options.Workers
	p.chunks = make(chan chunkJob, workers)
	// A worker that cuts a big file holds two buffers for a moment. It stores
	// what is queued while it waits for the second, so two each are enough.
	p.buffers = make(chan []byte, 2*workers)
	for range cap(p.buffers) {
		p.buffers <- nil
	}
	return p, nil
}

func (p *pass) release(buf []byte) {
	if buf != nil {
		p.buffers <- buf[:0]
	}
}

func (p *pass) problem(problem Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// loseFiles moves the primaries that this pass could not read into lost, so that
// the next pass gives their content to the next link.
func (p *pass) loseFiles(lost map[string]struct{}) []Problem {
	for _, problem := range p.losing {
		lost[problem.Path] = struct{}{}
	}
	return p.losing
}

// plan walks the tree and gives every unit to keep, in order, and those that
// must be read to jobs.
func (p *pass) plan(ctx context.Context, jobs chan<- *unit, keep func(*unit) error) error {
	planner := newPlanner(p.saver.options.Params, p.lost, func(u *unit) error {
		p.reportFound(u) // before a worker has it, who notes what files are like now
		p.resolve(u)
		if u.cached == nil {
			u.pending.Store(1)
			if err := p.ahead(ctx, u); err != nil {
				return err
			}
			select {
			case jobs <- u:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return keep(u)
	})
	err := planner.walk(ctx, p.root, p.options, p.problem)
	p.found = planner.found
	return err
}

func (p *pass) reportFound(u *unit) {
	if progress := p.saver.options.Progress; progress != nil {
		progress.Found(int64(len(u.members)), u.size())
	}
}

func (u *unit) size() int64 {
	var n int64
	for i := range u.members {
		if u.members[i].holdsContent() {
			n += u.members[i].stat.Size
		}
	}
	return n
}

// lookup finds a chunk in the live index. A document or image layer whose plain
// bytes have the same id is stored as it is, and cannot stand in a zstd stream.
func (p *pass) lookup(id repo.ID) (repo.Blob, bool) {
	blob, ok := p.saver.store.Lookup(id)
	return blob, ok && !blob.Raw()
}

// resolve asks the cache, and believes it only as far as the live index has
// what it names.
func (p *pass) resolve(u *unit) {
	u.fingerprints(nil)
	if !p.trusted {
		return
	}
	read := p.options.ForceRead || p.reread.takes(u)
	if u.big && !p.resolveBig(u) {
		return
	}
	rec, ok := p.knownRun(u)
	if read {
		p.expect(u, rec)
		return
	}
	if !ok {
		return
	}
	blob, _ := p.lookup(rec.id)
	u.cached, u.run, u.entries, u.trusted = rec, &chunkRef{blob: blob}, rec.entries, true
	u.lineBytes = rec.lineBytes
	u.nameSockets()
	close(u.ready)
}

// knownRun returns the cache's record of the unit's run.
func (p *pass) knownRun(u *unit) (*runRecord, bool) {
	rec, ok := decodeRun(p.cache.get(u.runPrint))
	if !ok {
		return nil, false
	}
	if _, ok := p.lookup(rec.id); !ok {
		return nil, false
	}
	_, ok = p.saver.store.LookupBlob(rec.catalog)
	return rec, ok
}

// expect has the unit read, and keeps what the cache knew of it to compare.
func (p *pass) expect(u *unit, rec *runRecord) {
	if rec != nil {
		u.expect = &expected{print: u.runPrint, run: rec.id}
		if u.big {
			known := u.bigFile
			u.expect.big = &known
		}
	}
	u.chunks, u.bigFile = nil, bigRecord{}
}

func (p *pass) resolveBig(u *unit) bool {
	rec, ok := decodeBig(p.cache.get(u.bigPrint))
	if !ok {
		return false
	}
	chunks := make([]*chunkRef, len(rec.ids))
	for i, id := range rec.ids {
		blob, ok := p.lookup(id)
		if !ok {
			return false
		}
		chunks[i] = &chunkRef{blob: blob}
	}
	u.chunks, u.bigFile = chunks, *rec
	return true
}

// stream runs walk, workers and collector side by side.
func (p *pass) stream(ctx context.Context) (*Result, error) {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan *unit, unitsAhead)
	units := make(chan *unit, unitsAhead)
	group.Go(func() error {
		defer close(jobs)
		defer close(units)
		return p.plan(ctx, jobs, func(u *unit) error {
			select {
			case units <- u:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	p.startWorkers(ctx, group, jobs)
	var result *Result
	group.Go(func() error {
		c, err := p.newCollector()
		if err != nil {
			return err
		}
		defer c.close()
		for u := range units {
			if err := c.add(ctx, u); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		result, err = c.finish(ctx)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return result, nil
}

// startWorkers starts the workers; they end when jobs is closed and no worker
// can hand out chunks any more.
func (p *pass) startWorkers(ctx context.Context, group *errgroup.Group, jobs <-chan *unit) {
	var reading atomic.Int32
	reading.Store(int32(p.saver.options.Workers))
	allRead := make(chan struct{})
	endReading := func() {
		if reading.Add(-1) == 0 {
			close(allRead)
		}
	}
	for range p.saver.options.Workers {
		group.Go(func() error {
			w, err := p.newWorker()
			if err != nil {
				return err
			}
			defer w.close()
			return w.serve(ctx, jobs, endReading, allRead)
		})
	}
}

// serve reads units until jobs is closed, and then stores what workers that
// still read hand out. Chunks of big files go first, since they hold buffers.
func (w *worker) serve(ctx context.Context, jobs <-chan *unit, endReading func(), allRead <-chan struct{}) error {
	for {
		var err error
		select {
		case job := <-w.pass.chunks:
			err = w.storeJob(ctx, job)
		default:
			select {
			case job := <-w.pass.chunks:
				err = w.storeJob(ctx, job)
			case u, ok := <-jobs:
				if ok {
					err = w.readUnit(ctx, u)
					break
				}
				jobs = nil
				endReading()
			case <-allRead:
				if len(w.pass.chunks) == 0 {
					return nil
				}
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
}

// trailer is the end of every stream: two zero blocks.
func trailer() []byte { return make([]byte, 2*blockSize) }

// first64 is the beginning of an id as a number.
func first64(id repo.ID) uint64 {
	var n uint64
	for _, b := range id[:8] {
		n = n<<8 | uint64(b)
	}
	return n
}
