package archive

import (
	"context"
	"io"

	"davit/backup/repo"

	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// StoreKind says how an engine keeps images.
type StoreKind string

// The two kinds of image store.
const (
	Graph      StoreKind = "graph"
	Containerd StoreKind = "containerd"
)

// Annotations of manifests and descriptors that this package writes.
const (
	AnnotationID       = "davit.id"       // plaintext id of a layer, hex
	AnnotationLen      = "davit.len"      // uncompressed length of a layer, decimal
	AnnotationOriginal = "davit.original" // digest of the manifest or index an image came with
)

// MediaTypeOriginal marks a manifest or index kept only to give an image its
// id back; it is a leaf: what it names is stored in another form.
const MediaTypeOriginal = "application/vnd.davit.image.original.v1+json"

// Store is what an import needs of a backup session.
type Store interface {
	Lookup(id repo.ID) (repo.Blob, bool)             // by content, in any form
	LookupBlob(digest repo.Digest) (repo.Blob, bool) // these very bytes
	NewBlob(ctx context.Context) (*repo.BlobWriter, error)
	PutBlob(ctx context.Context, data []byte) (repo.Digest, error)
}

// Source is what an export needs of a repository. Both methods check the
// digest of what they give, OpenBlob's reader at its end.
type Source interface {
	ReadBlob(ctx context.Context, d repo.Digest, stored int64, buf []byte) ([]byte, error)
	OpenBlob(ctx context.Context, d repo.Digest) (io.ReadCloser, int64, error)
}

// Want is an image that the stream is expected to hold.
type Want struct {
	ID          string   // in the engine it comes from: "sha256:…"
	Tags        []string // what the item gets; nil takes the archive's
	RepoDigests []string
}

// ImportOptions says what a stream is and what is wanted of it.
type ImportOptions struct {
	// Kind of the engine's store; empty is decided by the archive's form.
	Kind StoreKind
	// Platform of the engine: of an image with several platforms this one
	// must be complete. Nil asks only that one is.
	Platform *ocispec.Platform
	// Want lists the images to take; others are passed over. Nil takes all.
	Want []Want
	// Level compresses layers that the engine gives uncompressed; 0 is zstd's
	// default.
	Level zstd.EncoderLevel
}

// ImportResult is what a stream held. An image is listed only when all of it
// is in the repository.
type ImportResult struct {
	Images    []ImageItem
	BytesRead int64 // length of the stream
	NewLayers int   // layers that the repository did not have
	NewBytes  int64 // their stored length
}

// ImageItem is one image in a repository.
type ImageItem struct {
	ID          string    // in the engine it came from
	Kind        StoreKind // of that engine
	Tags        []string  // as docker shows them: "app:1"
	RepoDigests []string
	Platform    string             // "linux/amd64"; empty when it has several
	Absent      []string           // digests that a multi-platform image names and the engine did not have
	Desc        ocispec.Descriptor // of the stored manifest or index
}

// ImageError says why one image of a stream was not taken.
type ImageError struct {
	Image string // a tag, or the id
	Err   error
}

func (e *ImageError) Error() string { return "import image " + e.Image + ": " + e.Err.Error() }
func (e *ImageError) Unwrap() error { return e.Err }
