package backup

import (
	"context"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/backup/verified"
)

// What reading blobs may take: of memory, and of requests to a server under way at once.
const (
	verifyRoom    = 192 << 20
	verifyStreams = 16
)

// rememberEvery is how much of a run a kill may cost.
const rememberEvery = 30 * time.Second

// dataReader reads what a run of verify is to read: each blob once, several at a time.
type dataReader struct {
	env     *Env
	log     *verified.Log
	workers int
	room    *semaphore.Weighted

	mu       sync.Mutex
	blobs    *verified.Blobs              // that are known
	left     map[repo.Digest]struct{}     // of these, to be read still
	verdicts map[repo.Digest]*blobVerdict // of what is being read, or is damaged
	saved    time.Time
}

// blobVerdict is what came of a blob.
type blobVerdict struct {
	read    bool
	reason  string                // "" is good
	waiting []func(reason string) // who else asked
}

func newDataReader(env *Env, log *verified.Log, blobs *verified.Blobs, plan verified.Plan) *dataReader {
	workers := runtime.GOMAXPROCS(0)
	if !env.Repo.Local() {
		workers = max(workers, verifyStreams)
	}
	return &dataReader{
		env: env, log: log, workers: workers, room: semaphore.NewWeighted(verifyRoom),
		blobs: blobs, left: plan.Read, verdicts: make(map[repo.Digest]*blobVerdict), saved: env.Now(),
	}
}

// item returns a look for one item, and what waits for all that it began.
func (r *dataReader) item(ctx context.Context) (chunk.Look, func() error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.workers)
	look := func(d repo.Digest, room int64, read func(context.Context) (string, error), bad func(string)) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		v, first := r.ask(d, bad)
		if !first {
			return nil
		}
		room = min(room, verifyRoom)
		if err := r.room.Acquire(ctx, room); err != nil {
			return err
		}
		group.Go(func() error {
			defer r.room.Release(room)
			reason, err := read(ctx)
			if err != nil {
				return err
			}
			r.settle(d, v, reason)
			return nil
		})
		return nil
	}
	return look, group.Wait
}

// ask tells whether the caller is to read a blob. Otherwise bad is called when it is damaged.
func (r *dataReader) ask(d repo.Digest, bad func(string)) (v *blobVerdict, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, known := r.verdicts[d]; known {
		if v.read {
			bad(v.reason)
		} else {
			v.waiting = append(v.waiting, bad)
		}
		return v, false
	}
	_, listed := r.blobs.Sizes[d]
	if _, wanted := r.left[d]; listed && !wanted {
		return nil, false
	}
	r.blobs.Add(d, 0) // if it was not listed: it is behind damage, perhaps, that came and went
	v = &blobVerdict{waiting: []func(string){bad}}
	r.verdicts[d] = v
	delete(r.left, d)
	return v, true
}

// settle tells all who asked, and remembers. Of what is good no blobVerdict is kept: it is not read again.
func (r *dataReader) settle(d repo.Digest, v *blobVerdict, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.read, v.reason = true, reason
	r.env.reporter().Add(r.blobs.Sizes[d])
	if reason == "" {
		delete(r.verdicts, d)
	} else {
		for _, bad := range v.waiting {
			bad(reason)
		}
	}
	v.waiting = nil
	now := r.env.Now()
	if reason == "" {
		r.log.Good(d, now)
	} else {
		r.log.Bad(d, reason)
	}
	if now.Sub(r.saved) >= rememberEvery {
		r.saved = now
		_ = r.log.Save() // the end tells when this is not possible
	}
}

// unread lists what is yet to be read.
func (r *dataReader) unread() []repo.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.left))
}

// finish ends the run that the plan was for.
func (r *dataReader) finish(what string) {
	for d := range r.left {
		r.log.Bad(d, "missing, or behind something damaged") // not due before all others for ever
	}
	r.log.End(what, r.blobs)
}

// openLog opens what is remembered of the repository.
func openLog(env *Env) (*verified.Log, error) {
	place, err := env.Repo.Location()
	if err != nil {
		return nil, err
	}
	return verified.Open(filepath.Join(env.StateDir, "verified"), env.Repo.Config().ID, place)
}
