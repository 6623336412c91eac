package repo

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// mergeAbove is how many index files may be there before some are merged.
const mergeAbove = 32

// mergeIndex publishes one file with the records of several, then removes
// these. It does nothing while somebody else holds the lock: he may be merging.
// A process that still knows the old files keeps them open; one that lists them
// and finds one gone lists again.
func (r *Repository) mergeIndex(ctx context.Context) error {
	if r.index.Count() <= mergeAbove {
		return nil
	}
	lock, err := r.tryWriteLock(ctx)
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := r.index.Refresh(ctx); err != nil {
		return err
	}
	files, err := r.index.openForMerge(ctx)
	if err != nil {
		return err
	}
	defer closeAll(files)
	if len(files) < 2 {
		return nil
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	return r.replaceIndex(ctx, lock, mergeRecords(ctx, files), names)
}

// openForMerge opens anew, since the live index may close its own files, the
// files that a merge is to take.
func (x *liveIndex) openForMerge(ctx context.Context) ([]*indexFile, error) {
	x.mu.RLock()
	chosen := chooseForMerge(x.files)
	x.mu.RUnlock()
	var files []*indexFile
	for _, f := range chosen {
		opened, _, err := openIndexFile(ctx, x.store, indexDir, f.name)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("open %s: %w", f.name, err)
		}
		files = append(files, opened)
	}
	return files, nil
}

// chooseForMerge takes the small files and leaves those larger than all that
// are smaller than they: so a record is rewritten a few times only, however
// often files are merged.
func chooseForMerge(files []*indexFile) []*indexFile {
	files = slices.SortedFunc(slices.Values(files), func(a, b *indexFile) int { return cmp.Compare(a.size, b.size) })
	var total int64
	for i, f := range files {
		if i > mergeAbove/2 && f.size > total {
			return files[:i]
		}
		total += f.size
	}
	return files
}

// replaceIndex writes one index file, then removes those it stands for. The
// caller holds the write lock.
func (r *Repository) replaceIndex(ctx context.Context, lock *heldLock, records iter.Seq2[Blob, error], names []string) error {
	run, err := r.newUUID()
	if err != nil {
		return err
	}
	if err := lock.Check(); err != nil {
		return err
	}
	if err := r.writeIndexFile(ctx, indexDir+"/"+indexFileName(run, 1), r.index.NextSequence(), records); err != nil {
		return err
	}
	for _, name := range names {
		if err := lock.Check(); err != nil {
			return err
		}
		if err := r.store.Remove(ctx, indexDir+"/"+name); err != nil {
			return err
		}
	}
	return r.index.Refresh(ctx)
}

// mergeRecords yields the records of all files in order, equal ones once.
func mergeRecords(ctx context.Context, files []*indexFile) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		heads, err := openHeads(files)
		if err != nil {
			yield(Blob{}, err)
			return
		}
		var last Blob
		for n := 0; len(heads) > 0; n++ {
			if n%4096 == 0 && ctx.Err() != nil {
				yield(Blob{}, context.Cause(ctx))
				return
			}
			b := heads[0].blob
			if (n == 0 || compareBlobs(last, b) != 0) && !yield(b, nil) {
				return
			}
			last = b
			if err := heads.advance(); err != nil {
				yield(Blob{}, err)
				return
			}
		}
	}
}

// head is a file's next record; mergeHeads is a heap of them.
type head struct {
	blob    Blob
	records *recordReader
}

type mergeHeads []head

func openHeads(files []*indexFile) (mergeHeads, error) {
	var heads mergeHeads
	for _, f := range files {
		records, err := f.records()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.name, err)
		}
		b, err := records.Next()
		if errors.Is(err, io.EOF) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.name, err)
		}
		heads = append(heads, head{blob: b, records: records})
	}
	heap.Init(&heads)
	return heads, nil
}

// advance moves the least head on to its file's next record.
func (h *mergeHeads) advance() error {
	b, err := (*h)[0].records.Next()
	switch {
	case errors.Is(err, io.EOF):
		heap.Pop(h)
		return nil
	case err != nil:
		return err
	}
	(*h)[0].blob = b
	heap.Fix(h, 0)
	return nil
}

func (h mergeHeads) Len() int           { return len(h) }
func (h mergeHeads) Less(i, j int) bool { return compareBlobs(h[i].blob, h[j].blob) < 0 }
func (h mergeHeads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *mergeHeads) Push(x any)        { *h = append(*h, x.(head)) }
func (h *mergeHeads) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

func withoutError(blobs iter.Seq[Blob]) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		for b := range blobs {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// Count is the number of index files known.
func (x *liveIndex) Count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.files)
}

func closeAll(files []*indexFile) {
	for _, f := range files {
		f.file.Close()
	}
}
