package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

const (
	// maxNesting bounds how deep the manifests of an image are nested.
	maxNesting = 8
	// maxSmall is what is copied in one piece.
	maxSmall = 1 << 20
	// maxLayerWindow bounds the memory that a layer's decoder takes.
	maxLayerWindow = 128 << 20
)

// document copies an image or a definition: manifests and blobs that name each other by digest.
func (c *copier) document(ctx context.Context, it repo.Item) (ocispec.Descriptor, error) {
	d := documentCopy{copier: c, read: c.from.NewItemReader(), store: c.session.NewItemStore(), absent: map[string]bool{}}
	for _, digest := range strings.Fields(it.Annotations[repo.AnnotationAbsent]) {
		d.absent[digest] = true
	}
	desc, err := d.read.Open(ctx, it.Desc)
	if err != nil {
		return desc, err
	}
	platform := desc.Platform
	if desc, err = d.node(ctx, bare(desc), maxNesting); err != nil {
		return desc, err
	}
	desc.Platform = platform
	return d.store.Seal(ctx, desc)
}

// documentCopy copies one item by the digests of its plain documents.
type documentCopy struct {
	*copier
	read   *repo.ItemReader
	store  *repo.ItemStore
	absent map[string]bool // what was not on the host
}

// node copies what a descriptor leads to. The descriptor returned differs when something below is called otherwise in
// the target: a layer that davit compressed has the digest of what is stored, and so have the manifests that davit
// made for it. What an engine made is kept byte for byte.
func (d *documentCopy) node(ctx context.Context, desc ocispec.Descriptor, depth int) (ocispec.Descriptor, error) {
	digest, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return desc, nil //nolint:nilerr // an algorithm that is not ours names no blob of ours
	}
	if d.absent[desc.Digest.String()] {
		if _, ok, err := d.read.HasFile(ctx, digest); err != nil || !ok {
			return desc, err
		}
	}
	if depth == 0 {
		return desc, &repo.DamagedError{Digest: digest, Reason: "is nested too deep"}
	}
	switch {
	case isIndex(desc.MediaType):
		return d.index(ctx, digest, desc, depth)
	case isManifest(desc.MediaType):
		return d.manifest(ctx, digest, desc, depth)
	case desc.MediaType == repo.MediaTypeChunk && desc.Annotations[repo.AnnotationID] != "":
		return d.layer(ctx, digest, desc)
	}
	return desc, d.raw(ctx, digest, desc)
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

func isManifest(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == "application/vnd.docker.distribution.manifest.v2+json"
}

func (d *documentCopy) index(ctx context.Context, digest repo.Digest, desc ocispec.Descriptor, depth int) (ocispec.Descriptor, error) {
	data, err := d.readWhole(ctx, digest, desc)
	if err != nil {
		return desc, err
	}
	index, err := repo.DecodeIndex(digest, data)
	if err != nil {
		return desc, err
	}
	changed, err := d.all(ctx, depth, index.Manifests)
	if err != nil {
		return desc, err
	}
	return d.put(ctx, desc, data, index, changed)
}

func (d *documentCopy) manifest(ctx context.Context, digest repo.Digest, desc ocispec.Descriptor, depth int) (ocispec.Descriptor, error) {
	data, err := d.readWhole(ctx, digest, desc)
	if err != nil {
		return desc, err
	}
	manifest, err := repo.DecodeManifest(digest, data)
	if err != nil {
		return desc, err
	}
	config := []ocispec.Descriptor{manifest.Config}
	if _, err := d.all(ctx, depth, config); err != nil {
		return desc, err
	}
	changed, err := d.all(ctx, depth, manifest.Layers)
	if err != nil {
		return desc, err
	}
	return d.put(ctx, desc, data, manifest, changed)
}

// all copies what a document names, and changes the descriptors of what is called otherwise now.
func (d *documentCopy) all(ctx context.Context, depth int, list []ocispec.Descriptor) (changed bool, err error) {
	for i, desc := range list {
		copied, err := d.node(ctx, desc, depth-1)
		if err != nil {
			return changed, err
		}
		if copied.Digest != desc.Digest {
			list[i], changed = copied, true
		}
	}
	return changed, nil
}

// put stores a document, as it was or with its new names.
func (d *documentCopy) put(ctx context.Context, desc ocispec.Descriptor, data []byte, document any, changed bool) (ocispec.Descriptor, error) {
	if changed {
		var err error
		if data, err = json.Marshal(document); err != nil {
			return desc, fmt.Errorf("encode manifest: %w", err)
		}
	}
	digest, err := d.store.PutBlob(ctx, data)
	desc.Digest, desc.Size = digest.OCI(), int64(len(data))
	return desc, err
}

func (d *documentCopy) readWhole(ctx context.Context, digest repo.Digest, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > repo.MaxManifest {
		return nil, &repo.DamagedError{Digest: digest, Reason: fmt.Sprintf("document of %d bytes", desc.Size)}
	}
	data, err := d.read.ReadBlob(ctx, digest, desc.Size, nil)
	d.copier.read.Add(int64(len(data)))
	return data, err
}

// raw copies a blob that is needed byte for byte.
func (d *documentCopy) raw(ctx context.Context, digest repo.Digest, desc ocispec.Descriptor) error {
	if b, ok := d.store.LookupBlob(digest); ok && b.Stored == desc.Size {
		return nil
	}
	if desc.Size <= maxSmall {
		data, err := d.readWhole(ctx, digest, desc)
		if err == nil {
			_, err = d.store.PutBlob(ctx, data)
			d.wrote(int64(len(data)))
		}
		return err
	}
	_, err := d.stream(ctx, digest, func(r io.Reader, w *repo.BlobWriter) (repo.Blob, error) {
		n, err := io.Copy(w, r)
		if err != nil {
			return repo.Blob{}, err
		}
		if n != desc.Size || w.Digest() != digest {
			return repo.Blob{}, &repo.DamagedError{Digest: d.read.StoredDigest(digest), Reason: "has another digest"}
		}
		return w.Commit(repo.ID(digest), n)
	})
	return err
}

// layer copies a layer that is stored as a zstd frame: its id is that of the layer, not of the frame.
func (d *documentCopy) layer(ctx context.Context, digest repo.Digest, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	stored := d.read.StoredDigest(digest)
	source, err := chunkOf(stored, desc)
	if err != nil {
		return desc, err
	}
	b, ok := d.store.Lookup(source.ID)
	if !ok || b.Raw() {
		b, err = d.stream(ctx, digest, func(r io.Reader, w *repo.BlobWriter) (repo.Blob, error) {
			n, err := checkLayer(&tee{r: r, w: w}, source, stored)
			if err != nil {
				return repo.Blob{}, err
			}
			return w.Commit(source.ID, n)
		})
	}
	desc.Digest, desc.Size = b.Digest.OCI(), b.Stored
	return desc, err
}

// checkLayer reads a frame to its end and checks what it holds.
func checkLayer(r *tee, source repo.Blob, stored repo.Digest) (int64, error) {
	dec, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxLayerWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return 0, err
	}
	defer dec.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, dec)
	if err == nil {
		_, err = io.Copy(io.Discard, r) // only the end of the file checks the digest
	}
	switch {
	case r.err != nil:
		return n, r.err
	case err != nil:
		return n, &repo.DamagedError{Digest: stored, Reason: "does not decode: " + err.Error()}
	case repo.ID(sum.Sum(nil)) != source.ID || n != source.Len:
		return n, &repo.DamagedError{Digest: stored, Reason: "content is not what its id says"}
	}
	return n, nil
}

// tee writes what is read through it, and keeps errors of either apart from those of who reads.
type tee struct {
	r   io.Reader
	w   io.Writer
	err error
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if _, writeErr := t.w.Write(p[:n]); writeErr != nil {
		err = writeErr
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// stream copies a long blob; store reads it to its end and commits.
func (d *documentCopy) stream(ctx context.Context, digest repo.Digest, store func(io.Reader, *repo.BlobWriter) (repo.Blob, error)) (repo.Blob, error) {
	in, _, err := d.read.OpenBlob(ctx, digest)
	if err != nil {
		return repo.Blob{}, err
	}
	w, err := d.store.NewBlob(ctx)
	if err != nil {
		return repo.Blob{}, errors.Join(err, in.Close())
	}
	defer w.Abort()
	b, err := store(&counted{in, d.copier}, w)
	if err = errors.Join(err, in.Close()); err == nil {
		d.wrote(b.Stored)
	}
	return b, err
}

func (d *documentCopy) wrote(n int64) {
	d.blobs.Add(1)
	d.stored.Add(n)
}

// counted counts what is read of the source.
type counted struct {
	io.Reader
	c *copier
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.c.read.Add(int64(n))
	r.c.count(int64(n))
	return n, err
}
