package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"davit/backup/repo/storage"
)

// form says which of the blobs that share an id is wanted.
type form int

const (
	anyForm     form = iota // an encoded one rather than a raw one
	encodedForm             // not a raw one
	rawForm
)

func (f form) accepts(b Blob) bool {
	return f == anyForm || b.Raw() == (f == rawForm)
}

// IndexProblem is an index file that was left out.
type IndexProblem struct {
	File string
	Err  error
}

// liveIndex knows the blobs that exist: those of the index files, and those
// this process has put but not yet flushed.
type liveIndex struct {
	store   storage.Storage
	refresh sync.Mutex // one Refresh at a time

	mu       sync.RWMutex // guards what follows
	files    []*indexFile
	table    postings
	problems map[string]error
	fresh    map[writeKey]Blob // put since the last flush began
	flushing map[writeKey]Blob // being written to an index file

	condemned *digestSet            // by removals that are not done: not to be found
	saved     map[Digest]bool       // condemned, and rescued by this process
	held      map[writeKey]heldBlob // condemned, put again, and not rescued yet
	trusted   pairSet               // of an encrypted repository: what index files may say; nil: all
}

// writeKey names what a blob must be unique in: its content and its form.
type writeKey struct {
	id  ID
	raw bool
}

func keyOf(b Blob) writeKey { return writeKey{id: b.ID, raw: b.Raw()} }

func (k writeKey) form() form {
	if k.raw {
		return rawForm
	}
	return encodedForm
}

func newLiveIndex(store storage.Storage) *liveIndex {
	return &liveIndex{
		store: store, problems: make(map[string]error), fresh: make(map[writeKey]Blob),
		saved: make(map[Digest]bool), held: make(map[writeKey]heldBlob),
	}
}

// Lookup finds the newest blob of an id in the form wanted. What is condemned
// counts as unknown.
func (x *liveIndex) Lookup(id ID, want form) (Blob, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if want != rawForm {
		if b, ok := x.lookupRecent(writeKey{id: id}); ok {
			return b, true
		}
	}
	if b, ok := x.lookupFiles(id, want); ok || want == encodedForm {
		return b, ok
	}
	return x.lookupRecent(writeKey{id: id, raw: true})
}

func (x *liveIndex) lookupRecent(key writeKey) (Blob, bool) {
	if h, ok := x.held[key]; ok {
		return h.blob, true
	}
	b, ok := x.fresh[key]
	if !ok {
		b, ok = x.flushing[key]
	}
	return b, ok && !x.condemned.Has(b.Digest)
}

// lookupFiles counts a record that cannot be read as absent: its content will
// be written again, which is slow but right.
func (x *liveIndex) lookupFiles(id ID, want form) (best Blob, found bool) {
	var newest uint64
	for place := range x.table.find(prefixOf(id)) {
		f := x.files[place.file()]
		b, err := f.at(place.record())
		if err != nil || b.ID != id || !want.accepts(b) || x.condemned.Has(b.Digest) {
			continue
		}
		if x.trusted != nil && !b.Raw() && !x.trusted.has(b) {
			continue
		}
		better := !found || best.Raw() && !b.Raw() || best.Raw() == b.Raw() && f.sequence > newest
		if better {
			best, newest, found = b, f.sequence, true
		}
	}
	return best, found
}

// Add makes a blob known that was written just now.
func (x *liveIndex) Add(b Blob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fresh[keyOf(b)] = b
}

// BeginFlush hands out the fresh blobs in order. They stay known until EndFlush.
// A record of what is condemned and not rescued would outlive its file.
func (x *liveIndex) BeginFlush() []Blob {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flushing, x.fresh = x.fresh, make(map[writeKey]Blob)
	blobs := make([]Blob, 0, len(x.flushing))
	for key, b := range x.flushing {
		if x.condemned.Has(b.Digest) && !x.saved[b.Digest] {
			delete(x.flushing, key)
			continue
		}
		blobs = append(blobs, b)
	}
	slices.SortFunc(blobs, compareBlobs)
	return blobs
}

// EndFlush forgets the blobs of BeginFlush, which are in a file now, or else
// makes them fresh again.
func (x *liveIndex) EndFlush(flushed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !flushed {
		for key, b := range x.flushing {
			x.fresh[key] = b
		}
	}
	x.flushing = nil
}

// Refresh takes in the index files that appeared and drops those that are gone.
func (x *liveIndex) Refresh(ctx context.Context) error {
	x.refresh.Lock()
	defer x.refresh.Unlock()
	const attempts = 20 // a file can be merged away between listing and opening
	for range attempts {
		names, err := listIndex(ctx, x.store)
		if err != nil {
			return err
		}
		done, err := x.load(ctx, names)
		if err != nil || done {
			return err
		}
	}
	return errors.New("read index: its files keep changing")
}

// TakeListed makes the files of these names the known ones; when one of them is gone already, Refresh finds others.
func (x *liveIndex) TakeListed(ctx context.Context, names []string) error {
	x.refresh.Lock()
	done, err := x.load(ctx, names)
	x.refresh.Unlock()
	if err != nil || done {
		return err
	}
	return x.Refresh(ctx)
}

// TakeIn takes in a file that was written just now, without looking what else there is. When
// it is merged already, Refresh does.
func (x *liveIndex) TakeIn(ctx context.Context, name string) error {
	done, err := x.takeIn(ctx, name)
	if err != nil || done {
		return err
	}
	return x.Refresh(ctx)
}

func (x *liveIndex) takeIn(ctx context.Context, name string) (done bool, err error) {
	x.refresh.Lock()
	defer x.refresh.Unlock()
	x.mu.RLock()
	names := []string{name}
	for _, f := range x.files {
		names = append(names, f.name)
	}
	for damaged := range x.problems {
		names = append(names, damaged)
	}
	x.mu.RUnlock()
	return x.load(ctx, names)
}

func listIndex(ctx context.Context, store storage.Storage) ([]string, error) {
	var names []string
	err := store.List(ctx, indexDir, func(e storage.Entry) error {
		if name := path.Base(e.Name()); isIndexName(name) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list index: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// load makes the files of these names the known ones. It is not done when one
// of them is gone already.
func (x *liveIndex) load(ctx context.Context, names []string) (done bool, err error) {
	next := x.reusable(names)
	missing := slices.DeleteFunc(slices.Clone(names), next.knows)
	errs := x.open(ctx, next, missing)
	for i, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			next.closeOpened()
			return false, nil
		case ctx.Err() != nil:
			next.closeOpened()
			return false, context.Cause(ctx)
		case isUnreached(x.store, err):
			next.closeOpened()
			return false, fmt.Errorf("read index: %w", err)
		default:
			next.problems[missing[i]] = err
		}
	}
	x.install(next)
	return true, nil
}

// open adds files to a state, in the order of their names, and returns what is wrong with each.
func (x *liveIndex) open(ctx context.Context, into *indexState, names []string) []error {
	files, prefixes, errs := make([]*indexFile, len(names)), make([][]uint64, len(names)), make([]error, len(names))
	storage.Each(readers(x.store), len(names), func(i int) {
		files[i], prefixes[i], errs[i] = openIndexFile(ctx, x.store, indexDir, names[i])
	})
	for i, f := range files {
		if errs[i] == nil {
			into.add(f, prefixes[i])
		}
	}
	return errs
}

// isUnreached tells a server that does not answer from a file that is damaged.
func isUnreached(store storage.Storage, err error) bool {
	failed := (*openError)(nil)
	return errors.As(err, &failed) && !store.Local()
}

// install swaps the state and closes the files that are no longer in it.
func (x *liveIndex) install(next *indexState) {
	table := mergePostings(next.tables)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.files {
		if !slices.Contains(next.files, f) {
			f.file.Close()
		}
	}
	x.files, x.table, x.problems = next.files, table, next.problems
}

// NextSequence is larger than that of every file known.
func (x *liveIndex) NextSequence() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var highest uint64
	for _, f := range x.files {
		highest = max(highest, f.sequence)
	}
	return highest + 1
}

// Problems lists the damaged files by name.
func (x *liveIndex) Problems() []IndexProblem {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []IndexProblem
	for name, err := range x.problems {
		list = append(list, IndexProblem{File: name, Err: err})
	}
	slices.SortFunc(list, func(a, b IndexProblem) int { return strings.Compare(a.File, b.File) })
	return list
}

func (x *liveIndex) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var errs []error
	for _, f := range x.files {
		errs = append(errs, f.file.Close())
	}
	x.files, x.table = nil, postings{}
	return errors.Join(errs...)
}

// find finds a raw blob, condemned or not.
func (x *liveIndex) find(d Digest) (Blob, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	key := writeKey{id: ID(d), raw: true}
	if b, ok := x.lookupRecent(key); ok {
		return b, true
	}
	if b, ok := x.fresh[key]; ok {
		return b, true
	}
	for place := range x.table.find(prefixOf(ID(d))) {
		b, err := x.files[place.file()].at(place.record())
		if err == nil && b.ID == ID(d) && b.Raw() {
			return b, true
		}
	}
	return Blob{}, false
}
