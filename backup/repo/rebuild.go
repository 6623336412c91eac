package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// RebuildResult says what RebuildIndex found.
type RebuildResult struct {
	Records int      // in the index now
	Missing []Digest // named by manifests, but absent, of another size, or no manifest
}

// RebuildIndex writes the index anew: what the manifests of all snapshots name,
// and what the undamaged index files say of blobs that no snapshot needs yet.
// A record stays only when its file is there with its size; contents are not
// read, except for manifests. What the caller knows to be damaged counts as absent, and a manifest that names
// what is absent is not offered either: it is put together anew. Damaged index files are removed. It waits for the
// write lock up to a minute.
func (r *Repository) RebuildIndex(ctx context.Context, damaged ...Digest) (RebuildResult, error) {
	if err := r.mayReplace(); err != nil {
		return RebuildResult{}, fmt.Errorf("rebuild index: %w", err)
	}
	lock, err := r.waitWriteLock(ctx)
	if err != nil {
		return RebuildResult{}, fmt.Errorf("rebuild index: %w", err)
	}
	defer lock.Release()
	result, err := r.rebuild(ctx, lock, damaged)
	if err != nil {
		return RebuildResult{}, fmt.Errorf("rebuild index: %w", err)
	}
	return result, nil
}

func (r *Repository) rebuild(ctx context.Context, lock *heldLock, damaged []Digest) (RebuildResult, error) {
	files, err := r.listFiles(ctx)
	if err != nil {
		return RebuildResult{}, err
	}
	names, err := listIndex(ctx, r.store)
	if err != nil {
		return RebuildResult{}, err
	}
	snaps, err := r.Snapshots(ctx)
	if unreadable := (*UnreadableError)(nil); err != nil && !errors.As(err, &unreadable) {
		return RebuildResult{}, err
	}
	c := recordCollector{repo: r, files: files, records: make(map[Blob]bool), seen: make(map[Digest]bool), missing: make(map[Digest]bool), unfit: make(map[Digest]bool)}
	for _, d := range damaged {
		c.unfit[d] = true
	}
	if err := c.addSnapshots(ctx, snaps); err != nil {
		return RebuildResult{}, err
	}
	for _, name := range names {
		if err := c.addIndexFile(ctx, name); err != nil {
			return RebuildResult{}, err
		}
	}
	records := slices.SortedFunc(maps.Keys(c.records), compareBlobs)
	records = slices.CompactFunc(records, func(a, b Blob) bool { return compareBlobs(a, b) == 0 })
	if err := r.replaceIndex(ctx, lock, withoutError(slices.Values(records)), names); err != nil {
		return RebuildResult{}, err
	}
	missing := slices.SortedFunc(maps.Keys(c.missing), func(a, b Digest) int { return slices.Compare(a[:], b[:]) })
	return RebuildResult{Records: len(records), Missing: missing}, nil
}

// recordCollector gathers index records whose files are there.
type recordCollector struct {
	repo    *Repository
	files   *fileList
	records map[Blob]bool
	seen    map[Digest]bool // manifests looked into
	missing map[Digest]bool
	unfit   map[Digest]bool // damaged, or a manifest that names what is absent
}

func (c *recordCollector) addSnapshots(ctx context.Context, snaps []Snapshot) error {
	for _, snap := range snaps {
		_, err := c.addDescriptor(ctx, ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageIndex, Digest: snap.Digest.OCI(), Size: snap.Size,
		}, nil, 2*maxDepth)
		if err != nil {
			return err
		}
	}
	return nil
}

// addDescriptor adds what desc names and, for a manifest, all below, and tells whether all of it is there. The
// depth is a bound against hostile manifests; what an image says is absent nobody misses.
func (c *recordCollector) addDescriptor(ctx context.Context, desc ocispec.Descriptor, absent map[string]bool, depth int) (whole bool, err error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	b, err := describedBlob(desc)
	if err != nil || absent[desc.Digest.String()] {
		return true, nil //nolint:nilerr // an algorithm that is not ours names no blob of ours
	}
	if c.seen[b.Digest] && b.Raw() {
		return !c.missing[b.Digest] && !c.unfit[b.Digest], nil
	}
	c.seen[b.Digest] = true
	if whole, err = c.add(ctx, b); err != nil || !whole || depth == 0 || !b.Raw() {
		return whole, err
	}
	children, err := childrenOf(ctx, c.repo, desc)
	if damaged := (*DamagedError)(nil); errors.As(err, &damaged) {
		c.missing[damaged.Digest] = true
		c.drop(b)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, child := range children {
		below := absent
		if list := absentIn(child); list != nil {
			below = list
		}
		all, err := c.addDescriptor(ctx, child, below, depth-1)
		if err != nil {
			return false, err
		}
		whole = whole && all
	}
	if !whole {
		c.drop(b)
	}
	return whole, nil
}

// drop takes a manifest out of what is offered.
func (c *recordCollector) drop(b Blob) {
	c.unfit[b.Digest] = true
	delete(c.records, b)
}

// describedBlob is the index record of a descriptor: that of a chunk when it
// carries an id, else that of a raw blob.
func describedBlob(desc ocispec.Descriptor) (Blob, error) {
	d, err := ParseDigest(desc.Digest.String())
	if err != nil {
		return Blob{}, err
	}
	raw := Blob{ID: ID(d), Digest: d, Len: desc.Size, Stored: desc.Size}
	id, err := ParseID(desc.Annotations[AnnotationID])
	if err != nil {
		return raw, nil //nolint:nilerr // no chunk
	}
	plain, err := strconv.ParseInt(desc.Annotations[AnnotationLen], 10, 64)
	if err != nil || plain < 0 {
		return raw, nil //nolint:nilerr // no chunk
	}
	return Blob{ID: id, Digest: d, Len: plain, Stored: desc.Size}, nil
}

func (c *recordCollector) add(ctx context.Context, b Blob) (whole bool, err error) {
	if whole, err = c.whole(ctx, b); err != nil {
		return false, err
	}
	if whole {
		c.records[b] = true
	} else {
		c.missing[b.Digest] = true
	}
	return whole, nil
}

func (c *recordCollector) whole(ctx context.Context, b Blob) (bool, error) {
	if c.unfit[b.Digest] {
		return false, nil
	}
	size, ok, err := c.files.hasFile(ctx, b.Digest)
	return ok && size == b.Stored, err
}

// addIndexFile adds all records of an index file, or none when it is damaged.
func (c *recordCollector) addIndexFile(ctx context.Context, name string) error {
	f, _, err := openIndexFile(ctx, c.repo.store, indexDir, name)
	if closed := (*openError)(nil); errors.As(err, &closed) && !errors.Is(err, fs.ErrNotExist) {
		return err // it may be whole: do not let it go
	}
	if err != nil {
		return nil //nolint:nilerr // it goes; that it is damaged IndexProblems has told
	}
	defer f.file.Close()
	records, err := f.records()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	for {
		b, err := records.Next()
		if errors.Is(err, io.EOF) {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		whole, err := c.whole(ctx, b)
		if err != nil {
			return err
		}
		if whole {
			c.records[b] = true
		}
	}
}
