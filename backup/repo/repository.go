package repo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"davit/backup/repo/storage"

	"filippo.io/age"
)

// Options are what a repository needs of the world. The zero value is useful.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Rand     io.Reader        // nil: crypto/rand; read under a lock
	Host     string           // "": os.Hostname; goes into sessions, locks and snapshots
	ReadOnly bool             // never write, not even a lock
	// AppendOnly is for credentials that may not remove: files are added and none is removed or replaced, but for the
	// session's own, which shows that it lives and stays when it cannot be removed. index.json is left to others.
	AppendOnly bool

	// Of encrypted repositories: HostKeys is the folder with the keys of this
	// host, "" for none; Identities are asked for when something has to be
	// decrypted, nil for none.
	HostKeys   string
	Identities func() ([]age.Identity, error)
}

// Repository is an open repository. Its methods may be called concurrently.
// Its sessions must be closed before it is.
type Repository struct {
	store  storage.Storage
	opt    Options
	config Config
	vault  *vault // nil: clear
	index  *liveIndex
	writes writes
	randMu sync.Mutex
	gcSeen atomic.Pointer[int64] // the newest removal when a repository on a server was opened, until a session begins
	trace  func(step string)     // of the gc protocol, before it is taken; nil: none
	pause  time.Duration         // before a lock is tried again; 0: as lockPause says
}

// Open opens the repository in dir. It returns ErrNoRepository for an absent or
// empty folder, ErrNotRepository for anything else that is none, and a
// *NewerFormatError for a later format. Damaged index files are no error, see
// IndexProblems.
func Open(dir string, o Options) (*Repository, error) {
	return OpenIn(context.Background(), storage.OpenDir(dir), o)
}

// OpenIn is Open with a storage. It is closed with the repository, or on an error.
func OpenIn(ctx context.Context, store storage.Storage, o Options) (*Repository, error) {
	r, err := openIn(ctx, store, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open repository %s: %w", store.Place(), err), store.Close())
	}
	return r, nil
}

func openIn(ctx context.Context, store storage.Storage, o Options) (*Repository, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Repository{store: store, opt: o, index: newLiveIndex(store)}
	r.writes.running = make(map[writeKey]*runningWrite)
	names, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	if r.vault, err = o.vaultOf(store, r.config); err != nil {
		return nil, err
	}
	if r.vault != nil {
		r.vault.wrapped = func() ([]wrappedKey, error) { return r.wrappedKeys(context.Background()) }
		r.vault.damaged = func(id string) error { return r.checkKey(context.Background(), id) }
	}
	if err := store.Identify(r.config.ID); err != nil {
		return nil, err
	}
	if err := r.index.TakeListed(ctx, names); err != nil {
		return nil, errors.Join(err, r.index.Close())
	}
	return r, nil
}

// look reads the config, and beside it what is needed next. Where there is no repository nothing else counts.
func (r *Repository) look(ctx context.Context) (index []string, err error) {
	var errs [3]error
	_ = r.together(ctx, func(ctx context.Context) error {
		r.config, errs[0] = readConfig(ctx, r.store)
		return nil
	}, func(ctx context.Context) error {
		index, errs[1] = listIndex(ctx, r.store)
		return nil
	}, func(ctx context.Context) error {
		if !r.Local() && !r.opt.ReadOnly {
			errs[2] = r.lookForGC(ctx)
		}
		return nil
	})
	return index, cmp.Or(errs[:]...)
}

// vaultOf finds what this host knows of the keys of the repository, and refuses
// one that is not what it was.
func (o Options) vaultOf(store storage.Storage, c Config) (*vault, error) {
	where, err := location(store)
	if err != nil {
		return nil, err
	}
	host, err := findHostKey(o.HostKeys, where, c.ID)
	if err != nil {
		return nil, err
	}
	if host != nil {
		if err := host.pinned(c); err != nil {
			return nil, err
		}
	}
	if c.Encryption == nil {
		return nil, nil
	}
	return newVault(c, host, o.Identities)
}

func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return o, fmt.Errorf("find host name: %w", err)
		}
		o.Host = host
	}
	return o, nil
}

// Dir is the repository's folder, as given to Open or Init; of a repository on a server
// its URL.
func (r *Repository) Dir() string { return r.store.Place() }

// Location is what a host remembers the place by: the folder's real path, however it was named, or the URL.
func (r *Repository) Location() (string, error) { return location(r.store) }

// Local tells that the repository is a folder of this machine.
func (r *Repository) Local() bool { return r.store.Local() }

// Config is what davit/config.json said when the repository was opened.
func (r *Repository) Config() Config { return r.config }

// Close gives the open files back.
func (r *Repository) Close() error {
	return errors.Join(r.index.Close(), r.store.Close())
}

// Lookup finds content by its id in the live index: the index files known to
// this process and what its sessions have put since. An encoded chunk is
// preferred to a raw blob of the same id (see Blob.Raw), and a newer one to an
// older.
func (r *Repository) Lookup(id ID) (Blob, bool) { return r.index.Lookup(id, anyForm) }

// LookupBlob finds a raw blob, such as PutBlob writes, in the live index.
func (r *Repository) LookupBlob(d Digest) (Blob, bool) { return r.index.Lookup(ID(d), rawForm) }

// IndexProblems lists the index files that were left out because they are
// damaged. What only they knew is not found, and so is written again;
// RebuildIndex brings it back from the manifests.
func (r *Repository) IndexProblems() []IndexProblem { return r.index.Problems() }

// mayReplace is nil when this process may remove and replace what is there.
func (r *Repository) mayReplace() error {
	switch {
	case r.opt.ReadOnly:
		return ErrReadOnly
	case r.opt.AppendOnly:
		return ErrAppendOnly
	}
	return nil
}

// at tells that a step of the gc protocol comes next.
func (r *Repository) at(step string) {
	if r.trace != nil {
		r.trace(step)
	}
}

// random returns n random bytes as hexadecimal digits.
func (r *Repository) random(n int) (string, error) {
	r.randMu.Lock()
	defer r.randMu.Unlock()
	return randomHex(r.opt.Rand, n)
}

func randomHex(rand io.Reader, n int) (string, error) {
	raw := make([]byte, n)
	if _, err := io.ReadFull(rand, raw); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return fmt.Sprintf("%x", raw), nil
}
