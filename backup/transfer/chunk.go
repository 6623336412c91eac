package transfer

import (
	"context"
	"errors"

	"davit/backup/repo"
)

// buffers are what copying one chunk takes.
type buffers struct{ stored, frame, plain, sealed []byte }

// chunk copies one chunk, if the target does not have it, and tells what it is called there.
func (c *copier) chunk(ctx context.Context, source repo.Blob) (repo.Blob, error) {
	defer c.count(source.Len)
	if b, ok := c.found(source); ok {
		return b, nil
	}
	buf := c.scratch.Get().(*buffers)
	defer c.scratch.Put(buf)
	frame, err := c.readChunk(ctx, source, buf)
	if err != nil {
		return repo.Blob{}, err
	}
	id := c.to.ContentID(buf.plain)
	b, have := c.lookup(id)
	if !have {
		if buf.sealed, err = c.to.Seal(buf.sealed, frame); err != nil {
			return repo.Blob{}, err
		}
		if b, err = c.session.Put(ctx, id, source.Len, buf.sealed); err != nil {
			return repo.Blob{}, err
		}
		c.blobs.Add(1)
		c.stored.Add(b.Stored)
		if !c.to.Encrypted() {
			buf.sealed = nil // it is the frame itself
		}
	}
	c.known.addChunk(source.Digest, b.ID)
	return b, nil
}

// found looks a chunk up in the target without reading it: its id there follows from that of a clear source, and of
// an encrypted one is known when it was copied before.
func (c *copier) found(source repo.Blob) (repo.Blob, bool) {
	if !c.from.Encrypted() {
		return c.lookup(c.to.IDOf(repo.Digest(source.ID)))
	}
	id, ok := c.known.chunk(source.Digest)
	if !ok {
		return repo.Blob{}, false
	}
	return c.lookup(id)
}

func (c *copier) lookup(id repo.ID) (repo.Blob, bool) {
	b, ok := c.to.Lookup(id)
	return b, ok && !b.Raw()
}

// readChunk reads a chunk into buf.plain and checks that it is what its id says. It returns the frame that the source
// holds, decrypted.
func (c *copier) readChunk(ctx context.Context, source repo.Blob, buf *buffers) (frame []byte, err error) {
	if buf.stored, err = c.readBlob(ctx, source.Digest, source.Stored, buf.stored); err != nil {
		return nil, err
	}
	if frame, err = c.unseal(source.Digest, buf.frame, buf.stored); err != nil {
		return nil, err
	}
	if c.from.Encrypted() {
		buf.frame = frame
	}
	damaged := func(reason string) error { return &repo.DamagedError{Digest: source.Digest, Reason: reason} }
	if buf.plain, err = c.decoder.Decode(frame, source.Len, buf.plain); err != nil {
		return nil, damaged(err.Error())
	}
	if c.from.ContentID(buf.plain) != source.ID {
		return nil, damaged("content is not what its id says")
	}
	return frame, nil
}

func (c *copier) readBlob(ctx context.Context, d repo.Digest, size int64, buf []byte) ([]byte, error) {
	data, err := c.from.ReadBlob(ctx, d, size, buf)
	c.read.Add(int64(len(data)))
	return data, err
}

func (c *copier) unseal(d repo.Digest, dst, stored []byte) ([]byte, error) {
	frame, err := c.from.Unseal(dst, stored)
	var sealed *repo.SealError
	if errors.As(err, &sealed) {
		return nil, &repo.DamagedError{Digest: d, Reason: err.Error()}
	}
	return frame, err
}

// putBlob stores a document in the target and counts it, if it is not there.
func (c *copier) putBlob(ctx context.Context, data []byte) (repo.Digest, error) {
	d := repo.DigestOf(data)
	if _, ok := c.to.LookupBlob(d); ok {
		return d, nil
	}
	d, err := c.session.PutBlob(ctx, data)
	if err == nil {
		c.blobs.Add(1)
		c.stored.Add(int64(len(data)))
	}
	return d, err
}
