package repo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"davit/backup/repo/storage"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of this format beside OCI's.
const (
	ArtifactTypeSnapshot = "application/vnd.davit.snapshot.v1"
	ArtifactTypeTree     = "application/vnd.davit.tree.v1"
	ArtifactTypeNested   = "application/vnd.davit.nested.v1"
	ArtifactTypePart     = "application/vnd.davit.part.v1"
	ArtifactTypeSealed   = "application/vnd.davit.sealed.v1"
	MediaTypeRoot        = "application/vnd.davit.root.v1+json+age"
	MediaTypeTable       = "application/vnd.davit.table.v1+json+age"
	MediaTypeSealed      = "application/vnd.davit.sealed.blob.v1+age"
	MediaTypeCatalog     = "application/vnd.davit.catalog.v1+ndjson+zstd"
	MediaTypeChunk       = "application/vnd.oci.image.layer.v1.tar+zstd"
)

// Annotations of a chunk's descriptor: the plain id and the plain length.
const (
	AnnotationID  = "davit.id"
	AnnotationLen = "davit.len"
)

// MaxManifest bounds manifests and indexes, as registries do.
const MaxManifest = 4 * mib

// BlobPutter stores documents; Session is one.
type BlobPutter interface {
	PutBlob(ctx context.Context, data []byte) (Digest, error)
}

// BlobReader reads whole blobs; Repository is one.
type BlobReader interface {
	ReadBlob(ctx context.Context, d Digest, stored int64, buf []byte) ([]byte, error)
}

// ReadIndex reads the OCI index that desc describes. Whatever is wrong with
// the blob is a *DamagedError.
func ReadIndex(ctx context.Context, r BlobReader, desc ocispec.Descriptor) (ocispec.Index, error) {
	d, data, err := readManifestBlob(ctx, r, desc)
	if err != nil {
		return ocispec.Index{}, err
	}
	return DecodeIndex(d, data)
}

// ReadManifest reads the OCI image manifest that desc describes, as ReadIndex
// does an index.
func ReadManifest(ctx context.Context, r BlobReader, desc ocispec.Descriptor) (ocispec.Manifest, error) {
	d, data, err := readManifestBlob(ctx, r, desc)
	if err != nil {
		return ocispec.Manifest{}, err
	}
	return DecodeManifest(d, data)
}

func readManifestBlob(ctx context.Context, r BlobReader, desc ocispec.Descriptor) (Digest, []byte, error) {
	d, err := ParseDigest(desc.Digest.String())
	if err != nil {
		return Digest{}, nil, err
	}
	if desc.Size < 0 || desc.Size > MaxManifest {
		return Digest{}, nil, &DamagedError{Digest: d, Reason: fmt.Sprintf("manifest of %d bytes", desc.Size)}
	}
	data, err := r.ReadBlob(storage.Caching(ctx), d, desc.Size, nil)
	return d, data, err
}

// DecodeIndex decodes the OCI index with digest d and checks every descriptor.
func DecodeIndex(d Digest, data []byte) (ocispec.Index, error) {
	var index ocispec.Index
	if err := decodeDocument(data, &index); err != nil {
		return ocispec.Index{}, damagedManifest(d, err)
	}
	if err := checkHead(index.Versioned, index.MediaType, ocispec.MediaTypeImageIndex, mediaTypeDockerList); err != nil {
		return ocispec.Index{}, damagedManifest(d, err)
	}
	if index.Manifests == nil {
		return ocispec.Index{}, damagedManifest(d, errors.New("no list of manifests"))
	}
	if err := checkDescriptors(index.Manifests); err != nil {
		return ocispec.Index{}, damagedManifest(d, err)
	}
	return index, nil
}

// DecodeManifest decodes the OCI image manifest with digest d and checks every
// descriptor.
func DecodeManifest(d Digest, data []byte) (ocispec.Manifest, error) {
	var manifest ocispec.Manifest
	if err := decodeDocument(data, &manifest); err != nil {
		return ocispec.Manifest{}, damagedManifest(d, err)
	}
	err := checkHead(manifest.Versioned, manifest.MediaType, ocispec.MediaTypeImageManifest, mediaTypeDockerManifest)
	if err != nil {
		return ocispec.Manifest{}, damagedManifest(d, err)
	}
	if err := checkDescriptors(append([]ocispec.Descriptor{manifest.Config}, manifest.Layers...)); err != nil {
		return ocispec.Manifest{}, damagedManifest(d, err)
	}
	return manifest, nil
}

// Docker's own types occur in images that were never OCI.
const (
	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

func isIndexType(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == mediaTypeDockerList
}

func isManifestType(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == mediaTypeDockerManifest
}

func damagedManifest(d Digest, err error) error {
	return &DamagedError{Digest: d, Reason: "is no valid manifest: " + err.Error()}
}

// decodeDocument refuses what follows the document.
func decodeDocument(data []byte, into any) error {
	if len(data) > MaxManifest {
		return fmt.Errorf("%d bytes is too long", len(data))
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the document")
	}
	return nil
}

// checkHead lets the media type be absent: OCI only recommends it.
func checkHead(v specs.Versioned, got string, want ...string) error {
	if v.SchemaVersion != 2 {
		return fmt.Errorf("schema version %d", v.SchemaVersion)
	}
	if got == "" {
		return nil
	}
	for _, w := range want {
		if got == w {
			return nil
		}
	}
	return fmt.Errorf("media type %q", got)
}

func checkDescriptors(list []ocispec.Descriptor) error {
	for _, desc := range list {
		if _, err := ParseDigest(desc.Digest.String()); err != nil {
			return err
		}
		if desc.Size < 0 || desc.Size > math.MaxInt64/2 {
			return fmt.Errorf("descriptor of %s with size %d", desc.Digest, desc.Size)
		}
	}
	return nil
}
