package chunk

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"davit/engine/hostfs"
)

// Options are the settings of a Saver.
type Options struct {
	Params Params
	// GearSeed moves the cuts of big files; nil for a repository that is not
	// encrypted, secret and always the same for one that is.
	GearSeed []byte
	// Level is the zstd level; zero is the fastest.
	Level zstd.EncoderLevel
	// Workers read and compress; 0 means one per processor, and never less
	// than two, so that reading and compressing overlap.
	Workers int
	// Now is the clock that file times are compared with.
	Now func() time.Time
	// Progress may be nil.
	Progress Progress
}

// A Saver stores file trees in one repository. It is safe for concurrent use;
// each Save has its own workers.
type Saver struct {
	store   Store
	options Options
	gear    *[256]uint64
}

// NewSaver returns a saver for store.
func NewSaver(store Store, o Options) *Saver {
	if o.Workers == 0 {
		o.Workers = max(2, runtime.GOMAXPROCS(0))
	}
	if o.Level == 0 {
		o.Level = zstd.SpeedFastest
	}
	return &Saver{store: store, options: o, gear: newGear(o.GearSeed)}
}

func (s *Saver) newCutter() *cutter { return newCutter(s.options.Params, s.gear) }

// SaveOptions say how one tree is saved.
type SaveOptions struct {
	// Skip and EnterMount are as in hostfs.WalkOptions.
	Skip       func(dir, name string, st *hostfs.Stat) bool
	EnterMount func(path string, st *hostfs.Stat) bool
	// Warm says that another pass will follow: a file that changes meanwhile
	// is not read again at once.
	Warm bool
	// Clones, if not nil, is where Read takes big files instead of reading them.
	Clones *Clones
	// ForceRead reads every file, whatever the cache says.
	ForceRead bool
	// Reread reads one of so many shares of what did not change, the next one
	// each time the cache is saved; 0 reads none. Content that changed and left
	// no trace is a problem of kind Silent, here and with ForceRead.
	Reread int
}

// Stats count what a pass saw and did.
type Stats struct {
	Entries, Files, Folders int64
	// Bytes is the size of all files, each inode once.
	Bytes int64
	// BytesRead is what was read of them.
	BytesRead int64
	// Chunks and NewChunks count the stream's chunks and those that were not
	// in the repository; PlainBytes and NewBytes are their plain lengths,
	// StoredBytes is what the new ones take.
	Chunks, NewChunks                 int64
	PlainBytes, NewBytes, StoredBytes int64
}

// A Result is a stored tree.
type Result struct {
	// Parts are the part manifests, in stream order.
	Parts    []ocispec.Descriptor
	Stats    Stats
	Problems []Problem
}

// errAgain ends a pass that has to be made again: a file that others are links
// to could not be read, or a catalog that the cache names is damaged.
var errAgain = errors.New("pass has to be repeated")

// maxAttempts bounds the passes of one Save; each one that is repeated knows
// more of what it cannot read.
const maxAttempts = 5

// Save stores the tree below root and returns its parts. Problems of single
// files are in the result; an error means that there is none. On cancel it
// returns the context's error, and what was stored so far is found by the next
// run. The cache learns what it may trust; the caller saves it.
func (s *Saver) Save(ctx context.Context, root Tree, cache *Cache, o SaveOptions) (*Result, error) {
	lost := map[string]struct{}{}
	var unreadable []Problem
	for attempt := 1; ; attempt++ {
		p, err := s.begin(root, cache, o, lost)
		if err != nil {
			return nil, err
		}
		result, err := p.stream(ctx)
		again := errors.Is(err, errAgain)
		if err != nil && !again {
			return nil, err
		}
		if again && attempt < maxAttempts {
			o.ForceRead = o.ForceRead || p.damaged
			unreadable = append(unreadable, p.loseFiles(lost)...)
			continue
		}
		if again {
			return nil, fmt.Errorf("save %s: files keep vanishing while they are read", root.Path())
		}
		result.Problems = append(result.Problems, unreadable...)
		return result, nil
	}
}

// A Pending tree was read while its containers were frozen, and is not stored
// yet.
type Pending struct {
	pass  *pass
	units []*unit
}

// Read reads what changed since the last pass into spool, as fast as it can:
// nothing is compressed or stored. The containers may go on as soon as it
// returns. Store does the rest, or Close gives it up.
func (s *Saver) Read(ctx context.Context, root Tree, cache *Cache, spool *Spool, o SaveOptions) (*Pending, error) {
	p, err := s.begin(root, cache, o, nil)
	if err != nil {
		return nil, err
	}
	p.spool = spool
	pending := &Pending{pass: p}
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan *unit, unitsAhead)
	group.Go(func() error {
		defer close(jobs)
		return p.plan(ctx, jobs, func(u *unit) error {
			pending.units = append(pending.units, u)
			return nil
		})
	})
	p.startWorkers(ctx, group, jobs)
	if err := group.Wait(); err != nil {
		pending.Close()
		return nil, err
	}
	return pending, nil
}

// Lost tells whether a file that others are links to could not be read: the
// tree has to be read again by Save.
func (p *Pending) Lost() bool {
	for _, u := range p.units {
		if len(u.lost) > 0 {
			return true
		}
	}
	return false
}

// Store compresses and stores what Read left in the spool. A damaged catalog
// that the cache relied on is an error; the next run reads the tree whole.
func (p *Pending) Store(ctx context.Context) (*Result, error) {
	defer p.Close()
	pass := p.pass
	pass.thawed = true
	if err := pass.storeSpooled(ctx); err != nil {
		return nil, err
	}
	if err := pass.storeCloned(ctx, p.units); err != nil {
		return nil, err
	}
	c, err := pass.newCollector()
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, u := range p.units {
		if err := c.add(ctx, u); err != nil {
			return nil, err
		}
	}
	return c.finish(ctx)
}
