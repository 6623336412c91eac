package repo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
)

// digestSet is a list of blobs by their digest. The id that a blob of it has is
// its digest again, and its plain length the stored one.
type digestSet struct{ blobs []Blob }

func newDigestSet(blobs []Blob) *digestSet {
	blobs = slices.Clone(blobs)
	for i, b := range blobs {
		blobs[i] = namedBlob(b.Digest, b.Stored)
	}
	slices.SortFunc(blobs, compareBlobs)
	return &digestSet{blobs: slices.CompactFunc(blobs, func(a, b Blob) bool { return a.Digest == b.Digest })}
}

func namedBlob(d Digest, stored int64) Blob {
	return Blob{ID: ID(d), Digest: d, Len: stored, Stored: stored}
}

// Has tells whether a digest is listed; a nil set is empty.
func (s *digestSet) Has(d Digest) bool {
	if s == nil {
		return false
	}
	_, found := slices.BinarySearchFunc(s.blobs, d, func(b Blob, d Digest) int { return bytes.Compare(b.Digest[:], d[:]) })
	return found
}

func (s *digestSet) amount() Amount {
	var a Amount
	for _, b := range s.blobs {
		a.add(b)
	}
	return a
}

// writeDigests writes a list in the form of an index file, atomically and
// durably.
func (r *Repository) writeDigests(ctx context.Context, name string, number uint64, blobs []Blob) error {
	return r.writeIndexFile(ctx, name, number, withoutError(slices.Values(newDigestSet(blobs).blobs)))
}

func (r *Repository) readDigests(ctx context.Context, folder, name string) (*digestSet, error) {
	f, _, err := openIndexFile(ctx, r.store, folder, name)
	if err != nil {
		return nil, err
	}
	defer f.file.Close()
	records, err := f.records()
	if err != nil {
		return nil, err
	}
	set := &digestSet{blobs: make([]Blob, 0, records.left)}
	for {
		b, err := records.Next()
		if errors.Is(err, io.EOF) {
			return set, context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		set.blobs = append(set.blobs, b)
	}
}
