package archive

import (
	"context"
	"fmt"

	"davit/backup/repo"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// MissingLayerError says which layer of an image the repository does not have.
type MissingLayerError struct{ DiffID repo.ID }

func (e *MissingLayerError) Error() string {
	return fmt.Sprintf("layer sha256:%s is not in the repository", e.DiffID)
}

// BuildWithoutExport stores an image of a graph store of which only the config
// is at hand, byte for byte: its digest must be the image's id. All its layers
// must be in the repository; otherwise the error is a *MissingLayerError,
// nothing was written, and the image is to be exported.
//
// The API never gives a config's bytes; the local engine's image database
// does, and a repository that holds the image already.
func BuildWithoutExport(ctx context.Context, store Store, config []byte, w Want) (ImageItem, error) {
	if id := repo.DigestOf(config).String(); id != w.ID {
		return ImageItem{}, &ImageError{Image: w.name(), Err: fmt.Errorf("its config has the digest %s", id)}
	}
	cfg, err := parseConfig(config)
	if err != nil {
		return ImageItem{}, &ImageError{Image: w.name(), Err: err}
	}
	layers := make([]ocispec.Descriptor, 0, len(cfg.diffs))
	for _, diff := range cfg.diffs {
		b, ok := store.Lookup(diff)
		if !ok {
			return ImageItem{}, &ImageError{Image: w.name(), Err: &MissingLayerError{DiffID: diff}}
		}
		layers = append(layers, layerDescriptor(diff, b.Len, b.Digest, b.Stored))
	}
	item, err := storeImage(ctx, store, config, cfg, layers)
	if err != nil {
		return ImageItem{}, fmt.Errorf("store image %s: %w", w.name(), err)
	}
	item.ID, item.Kind, item.Tags, item.RepoDigests = w.ID, Graph, w.Tags, w.RepoDigests
	return item, nil
}
