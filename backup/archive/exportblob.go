package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"davit/backup/repo"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// document reads a manifest or config of the repository.
func (p *plan) document(ctx context.Context, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return nil, err
	}
	if desc.Size > limit {
		return nil, fmt.Errorf("%s of %d bytes is too large", d, desc.Size)
	}
	return p.src.ReadBlob(ctx, d, desc.Size, nil)
}

// addStored plans a blob as it is stored.
func (p *plan) addStored(name string, desc ocispec.Descriptor) error {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return err
	}
	p.add(entry{name: name, size: desc.Size, open: func(ctx context.Context) (io.ReadCloser, error) {
		r, _, err := p.src.OpenBlob(ctx, d)
		return r, err
	}})
	return nil
}

// addPlain plans a layer uncompressed. Its length must be known before it is
// sent: where no annotation tells, the layer is uncompressed once to count.
func (p *plan) addPlain(ctx context.Context, name string, desc ocispec.Descriptor, diff repo.ID) error {
	if p.seen[name] {
		return nil
	}
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return err
	}
	open := func(ctx context.Context) (io.ReadCloser, error) { return openPlain(ctx, p.src, d, diff) }
	size, err := strconv.ParseInt(desc.Annotations[AnnotationLen], 10, 64)
	if err != nil {
		r, err := open(ctx)
		if err != nil {
			return err
		}
		size, err = io.Copy(io.Discard, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	p.add(entry{name: name, size: size, open: open})
	return nil
}

// openPlain reads a layer uncompressed, and checks at the end that it is the
// one with this diff id.
func openPlain(ctx context.Context, src Source, d repo.Digest, diff repo.ID) (io.ReadCloser, error) {
	blob, _, err := src.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	in, head, err := peek(blob)
	if err != nil {
		return nil, errors.Join(err, blob.Close())
	}
	dec, err := decompress(in, sniff(head), maxLayer)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("uncompress %s: %w", d, err), blob.Close())
	}
	return &plainLayer{blob: blob, in: in, dec: dec, sum: sha256.New(), digest: d, diff: diff}, nil
}

// plainLayer uncompresses a blob of the repository.
type plainLayer struct {
	blob   io.Closer
	in     io.Reader // the blob
	dec    io.ReadCloser
	sum    hash.Hash
	digest repo.Digest
	diff   repo.ID
}

func (l *plainLayer) Read(p []byte) (int, error) {
	n, err := l.dec.Read(p)
	l.sum.Write(p[:n])
	if err == nil {
		return n, nil
	}
	if err != io.EOF {
		// What the repository says of the blob is the better reason.
		_, rest := io.Copy(io.Discard, l.in)
		return n, fmt.Errorf("uncompress %s: %w", l.digest, errors.Join(rest, err))
	}
	// The decoder stops at the end of its frame: the blob's own digest is
	// checked by reading on.
	if _, err := io.Copy(io.Discard, l.in); err != nil {
		return n, err
	}
	if got := repo.ID(l.sum.Sum(nil)); got != l.diff {
		return n, fmt.Errorf("%s holds sha256:%s, not sha256:%s", l.digest, got, l.diff)
	}
	return n, io.EOF
}

func (l *plainLayer) Close() error { return errors.Join(l.dec.Close(), l.blob.Close()) }
