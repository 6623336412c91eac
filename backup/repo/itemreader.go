package repo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"filippo.io/age"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ItemReader reads items that an ItemStore wrote, by the digests that their
// documents name. In a clear repository it is the repository itself. Methods may
// be called concurrently.
type ItemReader struct {
	repo *Repository

	mu    sync.Mutex
	blobs map[Digest]sealedBlob
}

// NewItemReader returns a reader that knows no item yet.
func (r *Repository) NewItemReader() *ItemReader {
	return &ItemReader{repo: r, blobs: make(map[Digest]sealedBlob)}
}

// Open makes what an item consists of known and returns the descriptor that the
// item had when it was sealed; what was never sealed is returned as it is.
func (i *ItemReader) Open(ctx context.Context, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	if i.repo.vault == nil {
		return desc, nil
	}
	if err := i.repo.NeedKey(); err != nil {
		return desc, err
	}
	d, err := ParseDigest(desc.Digest.String())
	if err != nil {
		return desc, err
	}
	manifest, err := ReadManifest(ctx, i.repo, desc)
	if err != nil {
		return desc, err
	}
	if manifest.ArtifactType != ArtifactTypeSealed {
		return desc, &DamagedError{Digest: d, Reason: "is no sealed item"}
	}
	table, err := i.table(ctx, manifest)
	if err != nil {
		return desc, err
	}
	for n, entry := range table.Blobs {
		b, err := i.entry(manifest.Layers[n], entry)
		if err != nil {
			return desc, &DamagedError{Digest: d, Reason: err.Error()}
		}
		shown, err := ParseDigest(entry.Digest)
		if err != nil {
			return desc, &DamagedError{Digest: d, Reason: err.Error()}
		}
		i.mu.Lock()
		i.blobs[shown] = b
		i.mu.Unlock()
	}
	return table.Item, nil
}

func (i *ItemReader) table(ctx context.Context, manifest ocispec.Manifest) (*sealedTable, error) {
	b, err := describedBlob(manifest.Config)
	if err != nil {
		return nil, err
	}
	data, err := i.open(ctx, sealedBlob{stored: b}, nil)
	if err != nil {
		return nil, err
	}
	var table sealedTable
	if err := json.Unmarshal(data, &table); err != nil {
		return nil, &DamagedError{Digest: b.Digest, Reason: "is no table: " + err.Error()}
	}
	if table.Version != 1 || len(table.Blobs) != len(manifest.Layers) || manifest.Config.MediaType != MediaTypeTable ||
		i.repo.vault.keyed(ID(DigestOf(data)), true) != b.ID {
		return nil, &DamagedError{Digest: b.Digest, Reason: "is not the table of its manifest"}
	}
	return &table, nil
}

func (i *ItemReader) entry(layer ocispec.Descriptor, entry tableEntry) (sealedBlob, error) {
	b, err := describedBlob(layer)
	if err != nil {
		return sealedBlob{}, err
	}
	size, ok := unsealedSize(b.Stored)
	if !ok {
		return sealedBlob{}, fmt.Errorf("blob %s is of an impossible length", b.Digest)
	}
	if !entry.Raw && entry.Digest != b.Digest.String() {
		return sealedBlob{}, fmt.Errorf("blob %s is called %s", b.Digest, entry.Digest)
	}
	return sealedBlob{stored: b, raw: entry.Raw, size: size}, nil
}

// open reads and decrypts a blob.
func (i *ItemReader) open(ctx context.Context, b sealedBlob, buf []byte) ([]byte, error) {
	stored, err := i.repo.ReadBlob(ctx, b.stored.Digest, b.stored.Stored, nil)
	if err != nil {
		return nil, err
	}
	plain, err := i.repo.Unseal(buf, stored)
	if unsealed := (*SealError)(nil); errors.As(err, &unsealed) {
		return nil, &DamagedError{Digest: b.stored.Digest, Reason: err.Error()}
	}
	return plain, err
}

func (i *ItemReader) find(d Digest) (sealedBlob, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	b, ok := i.blobs[d]
	return b, ok
}

// ReadBlob is Repository.ReadBlob by the digests of the items.
func (i *ItemReader) ReadBlob(ctx context.Context, d Digest, size int64, buf []byte) ([]byte, error) {
	if i.repo.vault == nil {
		return i.repo.ReadBlob(ctx, d, size, buf)
	}
	b, ok := i.find(d)
	if !ok {
		return nil, &DamagedError{Digest: d, Reason: "is missing"}
	}
	if b.size != size {
		return nil, &DamagedError{Digest: b.stored.Digest, Reason: fmt.Sprintf("holds %d bytes, not %d", b.size, size)}
	}
	plain, err := i.open(ctx, b, slices.Grow(buf[:0], int(min(size, maxBlob))))
	if err == nil && b.raw && DigestOf(plain) != d {
		return nil, &DamagedError{Digest: b.stored.Digest, Reason: "content is not what its id says"}
	}
	return plain, err
}

// HasFile tells whether the file of a blob is there with its length, and the
// length before it was encrypted.
func (i *ItemReader) HasFile(ctx context.Context, d Digest) (size int64, ok bool, err error) {
	if i.repo.vault == nil {
		return i.repo.HasFile(ctx, d)
	}
	b, known := i.find(d)
	if !known {
		return 0, false, nil
	}
	stored, there, err := i.repo.HasFile(ctx, b.stored.Digest)
	if err != nil || !there || stored != b.stored.Stored {
		return 0, false, err
	}
	return b.size, true, nil
}

// StoredDigest is the digest of the file that holds a blob.
func (i *ItemReader) StoredDigest(d Digest) Digest {
	if b, ok := i.find(d); ok {
		return b.stored.Digest
	}
	return d
}

// OpenBlob is Repository.OpenBlob by the digests of the items.
func (i *ItemReader) OpenBlob(ctx context.Context, d Digest) (io.ReadCloser, int64, error) {
	if i.repo.vault == nil {
		return i.repo.OpenBlob(ctx, d)
	}
	b, ok := i.find(d)
	if !ok {
		return nil, 0, &DamagedError{Digest: d, Reason: "is missing"}
	}
	key, err := i.repo.vault.unlock()
	if err != nil {
		return nil, 0, err
	}
	file, _, err := i.repo.OpenBlob(ctx, b.stored.Digest)
	if err != nil {
		return nil, 0, err
	}
	plain, err := age.Decrypt(file, key)
	if err != nil {
		return nil, 0, errors.Join(unsealError(b.stored.Digest, err), file.Close())
	}
	return &unsealer{plain: plain, file: file, blob: b, want: d, sum: sha256.New()}, b.size, nil
}

// unsealer decrypts a blob while it is read. The age reader goes to the end of the
// file, so the digest of that is checked as well.
type unsealer struct {
	plain io.Reader
	file  io.Closer
	blob  sealedBlob
	want  Digest
	sum   hash.Hash
}

func (u *unsealer) Read(p []byte) (int, error) {
	n, err := u.plain.Read(p)
	if u.blob.raw {
		u.sum.Write(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		if u.blob.raw && Digest(u.sum.Sum(nil)) != u.want {
			return n, &DamagedError{Digest: u.blob.stored.Digest, Reason: "content is not what its id says"}
		}
	case err != nil:
		err = unsealError(u.blob.stored.Digest, err)
	}
	return n, err
}

func (u *unsealer) Close() error { return u.file.Close() }

// unsealError makes damage of what does not decrypt; damage and the end of the
// caller's patience stay what they are.
func unsealError(d Digest, err error) error {
	var damaged *DamagedError
	if errors.As(err, &damaged) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &DamagedError{Digest: d, Reason: (&SealError{err}).Error()}
}
