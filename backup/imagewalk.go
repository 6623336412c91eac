package backup

import (
	"context"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// errSkipBlob tells a walk not to look below a blob.
var errSkipBlob = errors.New("skip blob")

// maxImageDepth bounds indexes of indexes.
const maxImageDepth = 8

// walkImage visits the blobs of an image: manifests before what they name. A manifest is read
// only after visit returned nil for it; errSkipBlob goes on without what is below.
func walkImage(ctx context.Context, r repo.BlobReader, desc ocispec.Descriptor, visit func(ocispec.Descriptor) error) error {
	return walkImageTo(ctx, r, desc, maxImageDepth, visit)
}

func walkImageTo(ctx context.Context, r repo.BlobReader, desc ocispec.Descriptor, depth int, visit func(ocispec.Descriptor) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth == 0 {
		return errors.New("image index is nested too deep")
	}
	if err := visit(desc); err != nil {
		if errors.Is(err, errSkipBlob) {
			return nil
		}
		return err
	}
	children, err := imageChildren(ctx, r, desc)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := walkImageTo(ctx, r, child, depth-1, visit); err != nil {
			return err
		}
	}
	return nil
}

// imageChildren is what a manifest or index names, nothing for other blobs.
func imageChildren(ctx context.Context, r repo.BlobReader, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
	switch desc.MediaType {
	case ocispec.MediaTypeImageIndex, dockerList:
		index, err := repo.ReadIndex(ctx, r, desc)
		return index.Manifests, err
	case ocispec.MediaTypeImageManifest, dockerManifest:
		m, err := repo.ReadManifest(ctx, r, desc)
		return append([]ocispec.Descriptor{m.Config}, m.Layers...), err
	}
	return nil, nil
}
