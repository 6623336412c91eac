package chunk

import (
	"context"

	"davit/backup/repo"
)

// A chunkReader reads one chunk after the other into the same memory.
type chunkReader struct {
	reader  Reader
	decoder *Decoder
	stored  []byte
	frame   []byte // unsealed
	plain   []byte
}

// read returns the plain bytes of a chunk, valid until the next call.
func (r *chunkReader) read(ctx context.Context, blob repo.Blob) ([]byte, error) {
	stored, err := r.readStored(ctx, blob)
	if err != nil {
		return nil, err
	}
	r.stored = stored[:0]
	if r.reader.Encrypted() && cap(r.frame) < len(stored) {
		r.frame = make([]byte, 0, len(stored))
	}
	plain, err := openChunk(r.reader, r.decoder, blob, stored, r.frame, r.plain)
	if err != nil {
		return nil, err
	}
	r.plain = plain[:0]
	return plain, nil
}

// unhashedReader is a Reader that need not compare the digest of what openChunk will prove
// by its seal and its id: that is a twentieth of a restore's processor time.
type unhashedReader interface {
	ReadUnhashed(ctx context.Context, d repo.Digest, stored int64, buf []byte) ([]byte, error)
}

func (r *chunkReader) readStored(ctx context.Context, blob repo.Blob) ([]byte, error) {
	if u, ok := r.reader.(unhashedReader); ok && r.reader.Encrypted() {
		return u.ReadUnhashed(ctx, blob.Digest, blob.Stored, r.stored)
	}
	return r.reader.ReadBlob(ctx, blob.Digest, blob.Stored, r.stored)
}
