package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"davit/backup/repo"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// file finds the blob of a descriptor and checks its size.
func (w *ociWalk) file(desc ocispec.Descriptor) (*file, error) {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return nil, err
	}
	f := w.c.files[blobDir+d.Hex()]
	switch {
	case f == nil:
		return nil, fmt.Errorf("%s: %w", d, errAbsent)
	case f.bad != nil:
		return nil, f.bad
	case f.size != desc.Size:
		return nil, fmt.Errorf("%s has %d bytes, its descriptor says %d", d, f.size, desc.Size)
	}
	return f, nil
}

// document gives the bytes of a JSON blob that was held.
func (w *ociWalk) document(desc ocispec.Descriptor, limit int64) ([]byte, error) {
	f, err := w.file(desc)
	switch {
	case err != nil:
		return nil, err
	case f.size > limit:
		return nil, fmt.Errorf("%s of %d bytes is too large", desc.Digest, f.size)
	}
	return f.doc, nil
}

// put makes sure that the repository has a blob as it is.
func (w *ociWalk) put(ctx context.Context, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	f, err := w.file(desc)
	if err != nil {
		return desc, err
	}
	if f.doc == nil {
		return desc, nil
	}
	_, err = w.store.PutBlob(ctx, f.doc)
	return desc, err
}

// rewritten stores another form of a manifest or index.
func (w *ociWalk) rewritten(ctx context.Context, desc ocispec.Descriptor, mediaType string, v any) (ocispec.Descriptor, error) {
	if _, err := w.put(ctx, desc); err != nil {
		return desc, err
	}
	stored, err := putJSON(ctx, w.store, mediaType, v)
	stored.Platform, stored.Annotations = desc.Platform, desc.Annotations
	return stored, err
}

// enough decides whether what is there is an image: the engine's own platform
// must be complete or, when that is not known, no platform may be there by
// half; and something must be there.
func (w *ociWalk) enough(want *ocispec.Platform) error {
	for _, l := range w.lacking {
		if want == nil && l.part || samePlatform(l.platform, want) {
			return fmt.Errorf("%s: %w", platformName(l.platform), l.err)
		}
	}
	if len(w.complete) > 0 || len(w.lacking) == 0 {
		return nil
	}
	return errors.Join(errors.New("no platform of it is complete"), w.lacking[0].err)
}

// wrap makes the item of an image with uncompressed layers: its stored form
// for all readers, and the documents that give it its id back.
func (w *ociWalk) wrap(ctx context.Context, stored, original ocispec.Descriptor) (ocispec.Descriptor, error) {
	manifests := []ocispec.Descriptor{stored}
	for _, desc := range slices.Backward(w.originals) {
		manifests = append(manifests, ocispec.Descriptor{
			MediaType: MediaTypeOriginal,
			Digest:    desc.Digest,
			Size:      desc.Size,
			Annotations: map[string]string{
				AnnotationOriginal: desc.MediaType,
			},
		})
	}
	return putJSON(ctx, w.store, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   ocispec.MediaTypeImageIndex,
		Manifests:   manifests,
		Annotations: map[string]string{AnnotationOriginal: original.Digest.String()},
	})
}
