package chunk

import (
	"context"

	"davit/backup/repo"
)

// Store is what a pass needs of a repository. All methods are safe for
// concurrent use.
type Store interface {
	Reader
	// Lookup finds a chunk by its plaintext id in the live index.
	Lookup(id repo.ID) (repo.Blob, bool)
	// LookupBlob finds a manifest or catalog in the live index.
	LookupBlob(d repo.Digest) (repo.Blob, bool)
	// Put stores a chunk; it does not keep stored.
	Put(ctx context.Context, id repo.ID, plainLen int64, stored []byte) (repo.Blob, error)
	// PutBlob stores a manifest or catalog.
	PutBlob(ctx context.Context, data []byte) (repo.Digest, error)
}

// Reader reads blobs.
type Reader interface {
	// ReadBlob returns the blob of this digest and stored length, in buf when
	// it is large enough; anything else is a *repo.DamagedError.
	ReadBlob(ctx context.Context, d repo.Digest, stored int64, buf []byte) ([]byte, error)
}

// Progress hears how far a pass is. Methods are called concurrently and must
// not block.
type Progress interface {
	// Found adds to what the walk has seen.
	Found(entries, bytes int64)
	// Done adds to what is read, or known to be unchanged.
	Done(entries, bytes int64)
}
