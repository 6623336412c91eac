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
	stored, err := r.reader.ReadBlob(ctx, blob.Digest, blob.Stored, r.stored)
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
