package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/chunk"
	"davit/backup/repo"
)

// maxLayerWindow bounds the memory that a layer's decoder takes, of which most need layerRoom.
const (
	maxLayerWindow = 128 << 20
	layerRoom      = 32 << 20
)

// blob checks one blob of an image or definition; what is wrong with it is a *repo.DamagedError, or told to bad
// when it was read.
func (v *verifyRun) blob(ctx context.Context, items itemCounter, desc ocispec.Descriptor, look chunk.Look, bad func(reason string)) error {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return err
	}
	size, ok, err := items.HasFile(ctx, d)
	stored := items.StoredDigest(d)
	switch {
	case err != nil:
		return err
	case !ok:
		return &repo.DamagedError{Digest: stored, Reason: "missing"}
	case size != desc.Size:
		return &repo.DamagedError{Digest: stored, Reason: fmt.Sprintf("%d bytes, %d expected", size, desc.Size)}
	case look == nil:
		return nil
	}
	return look(stored, layerRoom, func(ctx context.Context) (string, error) {
		err := v.readBlob(ctx, items, d, desc)
		if damaged := (*repo.DamagedError)(nil); errors.As(err, &damaged) {
			return damaged.Reason, nil
		}
		return "", err
	}, bad)
}

// readBlob reads a blob to its end, which checks its digest, and decodes a layer that is stored as
// zstd, which checks its id.
func (v *verifyRun) readBlob(ctx context.Context, items itemCounter, d repo.Digest, desc ocispec.Descriptor) (err error) {
	stream, _, err := items.OpenBlob(ctx, d)
	if err != nil {
		return err
	}
	d = items.StoredDigest(d)
	defer closing(stream, &err)
	counted := &countingReader{r: stream, add: v.counter.read}
	id := desc.Annotations[repo.AnnotationID]
	if id == "" || desc.MediaType != repo.MediaTypeChunk {
		_, err := io.Copy(io.Discard, counted)
		return err
	}
	sum := sha256.New()
	n, err := decodeTo(sum, counted)
	if err == nil {
		// Behind the last frame there is nothing, but only the end of the file checks the digest.
		_, err = io.Copy(io.Discard, counted)
	}
	var damaged *repo.DamagedError
	switch {
	case errors.As(err, &damaged) || ctx.Err() != nil:
		return err
	case err != nil:
		return &repo.DamagedError{Digest: d, Reason: "does not decode: " + err.Error()}
	case hex.EncodeToString(sum.Sum(nil)) != id:
		return &repo.DamagedError{Digest: d, Reason: "content is not what its id says"}
	case desc.Annotations[repo.AnnotationLen] != strconv.FormatInt(n, 10):
		return &repo.DamagedError{Digest: d, Reason: fmt.Sprintf("decodes to %d bytes", n)}
	}
	return nil
}

func decodeTo(sum hash.Hash, r io.Reader) (int64, error) {
	dec, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxLayerWindow), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return 0, err
	}
	defer dec.Close()
	return io.Copy(sum, dec)
}

// blobCounter reads from a repository and counts what was looked at.
type blobCounter struct {
	repo     *repo.Repository
	reporter Reporter
	size     func(context.Context, repo.Digest) (int64, bool, error)
	quiet    bool // somebody else tells how far the run is

	mu    sync.Mutex
	blobs map[repo.Digest]struct{}
	bytes int64
}

func newBlobCounter(r *repo.Repository, reporter Reporter) *blobCounter {
	return &blobCounter{repo: r, reporter: reporter, blobs: map[repo.Digest]struct{}{}, size: r.HasFile}
}

// Encrypted implements chunk.Reader.
func (c *blobCounter) Encrypted() bool { return c.repo.Encrypted() }

// Unseal implements chunk.Reader.
func (c *blobCounter) Unseal(dst, stored []byte) ([]byte, error) { return c.repo.Unseal(dst, stored) }

// ContentID implements chunk.Reader.
func (c *blobCounter) ContentID(plain []byte) repo.ID { return c.repo.ContentID(plain) }

// ReadBlob implements chunk.Reader.
func (c *blobCounter) ReadBlob(ctx context.Context, d repo.Digest, stored int64, buf []byte) ([]byte, error) {
	data, err := c.repo.ReadBlob(ctx, d, stored, buf)
	c.touch(d)
	c.read(int64(len(data)))
	return data, err
}

// HasFile implements chunk.BlobChecker.
func (c *blobCounter) HasFile(ctx context.Context, d repo.Digest) (int64, bool, error) {
	c.touch(d)
	return c.size(ctx, d)
}

func (c *blobCounter) touch(d repo.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs[d] = struct{}{}
}

func (c *blobCounter) read(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += n
	if !c.quiet {
		c.reporter.Add(n)
	}
}

func (c *blobCounter) totals() (blobs int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.blobs), c.bytes
}

// itemCounter reads the blobs of one item and counts them.
type itemCounter struct {
	counter *blobCounter
	*repo.ItemReader
}

func (c itemCounter) open(ctx context.Context, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	if d, err := repo.ParseDigest(desc.Digest.String()); err == nil {
		c.counter.touch(d)
	}
	return c.Open(ctx, desc)
}

// ReadBlob implements repo.BlobReader.
func (c itemCounter) ReadBlob(ctx context.Context, d repo.Digest, size int64, buf []byte) ([]byte, error) {
	data, err := c.ItemReader.ReadBlob(ctx, d, size, buf)
	c.counter.touch(c.StoredDigest(d))
	c.counter.read(int64(len(data)))
	return data, err
}

// HasFile is ItemReader.HasFile, counted.
func (c itemCounter) HasFile(ctx context.Context, d repo.Digest) (int64, bool, error) {
	c.counter.touch(c.StoredDigest(d))
	return c.ItemReader.HasFile(ctx, d)
}
