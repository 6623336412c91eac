package repo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"

	"davit/backup/repo/storage"
)

// ReadBlob reads a whole blob whose length is known, into buf when that is
// large enough. What is missing, or has another size or digest, is a
// *DamagedError. No more memory is used than the file is long.
func (r *Repository) ReadBlob(ctx context.Context, d Digest, stored int64, buf []byte) ([]byte, error) {
	buf, err := r.ReadUnhashed(ctx, d, stored, buf)
	if err == nil && DigestOf(buf) != d {
		return nil, &DamagedError{Digest: d, Reason: "has another digest"}
	}
	return buf, err
}

// ReadUnhashed is ReadBlob for who decrypts the blob and compares its content with the id,
// which finds all that another digest would tell: that is not looked at.
func (r *Repository) ReadUnhashed(ctx context.Context, d Digest, stored int64, buf []byte) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	f, size, err := r.openFile(ctx, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch {
	case size != stored:
		return nil, &DamagedError{Digest: d, Reason: fmt.Sprintf("is %d bytes long, not %d", size, stored)}
	case size > maxBlob:
		return nil, &DamagedError{Digest: d, Reason: fmt.Sprintf("is too long for one piece: %d bytes", size)}
	}
	buf = slices.Grow(buf[:0], int(size))[:size]
	if _, err := io.ReadFull(f, buf); err != nil {
		return nil, readError(d, err)
	}
	return buf, nil
}

// OpenBlob opens a blob for reading and tells its stored length. At the end of
// the data, Read returns a *DamagedError instead of io.EOF when the digest is
// another: what was read before is not to be trusted until then.
func (r *Repository) OpenBlob(ctx context.Context, d Digest) (io.ReadCloser, int64, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, 0, err
	}
	f, size, err := r.openFile(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	return &blobReader{ctx: ctx, file: f, want: d, left: size, sum: sha256.New()}, size, nil
}

// HasFile tells whether there is a file of that name, and its length. This is
// no proof that the blob is whole: see LookupBlob and ReadBlob. An error is that it cannot
// be told: such a blob must not be taken for lost.
func (r *Repository) HasFile(ctx context.Context, d Digest) (size int64, ok bool, err error) {
	info, err := r.store.Stat(ctx, blobName(d))
	return there(d, info, err)
}

// presence is what HasFile says of one of many blobs.
type presence struct {
	size  int64
	there bool
}

// whole tells that the blob's file is there with its length.
func (p presence) whole(b Blob) bool { return p.there && p.size == b.Stored }

// haveFiles asks HasFile for the blobs of one snapshot, of a server several at a time; who asks for most of a repository
// takes Sizes.
func (r *Repository) haveFiles(ctx context.Context, blobs []Blob) ([]presence, error) {
	found := make([]presence, len(blobs))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	storage.Each(r.readers(), len(blobs), func(i int) {
		if ctx.Err() != nil {
			return
		}
		var err error
		if found[i].size, found[i].there, err = r.HasFile(ctx, blobs[i].Digest); err != nil {
			stop(err)
		}
	})
	return found, context.Cause(ctx)
}

// there is what HasFile says after a look.
func there(d Digest, info storage.Info, err error) (size int64, ok bool, _ error) {
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look for blob %s: %w", d, err)
	}
	return info.Size, true, nil
}

func blobName(d Digest) string { return blobDir + "/" + d.Hex() }

func (r *Repository) openFile(ctx context.Context, d Digest) (io.ReadCloser, int64, error) {
	f, size, err := r.store.Open(ctx, blobName(d))
	if held, ok := r.index.heldBytes(d); errors.Is(err, fs.ErrNotExist) && ok {
		f, size, err = held.Open()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, &DamagedError{Digest: d, Reason: "is missing"}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open blob: %w", err)
	}
	return f, size, nil
}

// readError tells a file that became shorter from one that cannot be read.
func readError(d Digest, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &DamagedError{Digest: d, Reason: "is shorter than it was"}
	}
	return fmt.Errorf("read blob %s: %w", d, err)
}

// blobReader checks the digest when all bytes have been read.
type blobReader struct {
	ctx  context.Context // of OpenBlob: io.Reader has no room for one
	file io.ReadCloser
	want Digest
	left int64
	sum  hash.Hash
}

func (b *blobReader) Read(p []byte) (int, error) {
	if err := context.Cause(b.ctx); err != nil {
		return 0, err
	}
	if b.left == 0 {
		return 0, b.finish()
	}
	n, err := b.file.Read(p[:min(int64(len(p)), b.left)])
	b.sum.Write(p[:n])
	b.left -= int64(n)
	if err != nil && !(b.left == 0 && errors.Is(err, io.EOF)) { // which may come with the last bytes
		return n, readError(b.want, err)
	}
	return n, nil
}

func (b *blobReader) finish() error {
	if Digest(b.sum.Sum(nil)) != b.want {
		return &DamagedError{Digest: b.want, Reason: "has another digest"}
	}
	return io.EOF
}

func (b *blobReader) Close() error { return b.file.Close() }
