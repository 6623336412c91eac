package chunk

import (
	"context"
	"errors"

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
	// Seal encrypts a frame into dst[:0], or gives the frame itself where the
	// repository is not encrypted.
	Seal(dst, frame []byte) ([]byte, error)
}

// Reader reads blobs.
type Reader interface {
	// ReadBlob returns the blob of this digest and stored length, in buf when
	// it is large enough; anything else is a *repo.DamagedError.
	ReadBlob(ctx context.Context, d repo.Digest, stored int64, buf []byte) ([]byte, error)
	// Encrypted tells whether chunks and catalogs are sealed.
	Encrypted() bool
	// Unseal is the inverse of Seal.
	Unseal(dst, stored []byte) ([]byte, error)
	// ContentID is the id of plain bytes.
	ContentID(plain []byte) repo.ID
}

// openFrame decodes what a blob of r holds; scratch is for what is sealed.
func openFrame(r Reader, d *Decoder, blob repo.Blob, stored, scratch, plain []byte) ([]byte, error) {
	frame, err := r.Unseal(scratch, stored)
	var unsealed *repo.SealError
	if errors.As(err, &unsealed) {
		return nil, &repo.DamagedError{Digest: blob.Digest, Reason: unsealed.Error()}
	}
	if err != nil {
		return nil, err
	}
	plain, err = d.Decode(frame, blob.Len, plain)
	if err != nil {
		return nil, &repo.DamagedError{Digest: blob.Digest, Reason: err.Error()}
	}
	return plain, nil
}

// openChunk is openFrame for a chunk. In an encrypted repository others may have
// stored under an id what they liked, for this host to refer to: only who can
// decrypt it can tell.
func openChunk(r Reader, d *Decoder, blob repo.Blob, stored, scratch, plain []byte) ([]byte, error) {
	plain, err := openFrame(r, d, blob, stored, scratch, plain)
	if err == nil && r.Encrypted() && r.ContentID(plain) != blob.ID {
		return nil, &repo.DamagedError{Digest: blob.Digest, Reason: "content is not what its id says"}
	}
	return plain, err
}

// Progress hears how far a pass is. Methods are called concurrently and must
// not block.
type Progress interface {
	// Found adds to what the walk has seen.
	Found(entries, bytes int64)
	// Done adds to what is read, or known to be unchanged.
	Done(entries, bytes int64)
}

// OpenFrame gives the zstd frame that a stored blob of r holds. In an encrypted repository
// a chunk is also decoded and compared with its id, so that it may be handed to
// somebody who cannot. What does not fit is a *repo.DamagedError.
func OpenFrame(r Reader, d *Decoder, blob repo.Blob, stored []byte, isChunk bool) ([]byte, error) {
	if !r.Encrypted() {
		return stored, nil
	}
	if isChunk {
		if _, err := openChunk(r, d, blob, stored, nil, nil); err != nil {
			return nil, err
		}
	}
	frame, err := r.Unseal(nil, stored)
	var unsealed *repo.SealError
	if errors.As(err, &unsealed) {
		return nil, &repo.DamagedError{Digest: blob.Digest, Reason: unsealed.Error()}
	}
	return frame, err
}
