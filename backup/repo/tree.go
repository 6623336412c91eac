package repo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	maxChildren  = 4000 // descriptors in one index
	maxDepth     = 4    // indexes above a part
	maxPerWalk   = 1 << 20
	nestedTarget = 3 * mib // of JSON in one index, below MaxManifest
)

// BuildTreeItem writes the OCI index of a file tree, whose content is parts in
// order, and returns its descriptor. Above 4,000 parts the index holds indexes.
// The annotations are set on the index and on the descriptor.
func BuildTreeItem(ctx context.Context, s BlobPutter, parts []ocispec.Descriptor, annotations map[string]string) (ocispec.Descriptor, error) {
	desc, err := indexWriter{store: s, maxChildren: maxChildren}.put(ctx, parts, ArtifactTypeTree, annotations)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("build tree item: %w", err)
	}
	return desc, nil
}

// WalkParts visits the parts of a tree in order, through nested indexes. An
// error of visit ends it and is returned as it is.
func WalkParts(ctx context.Context, r BlobReader, item ocispec.Descriptor, visit func(ocispec.Descriptor) error) error {
	return walkParts(ctx, r, item, maxPerWalk, visit)
}

func walkParts(ctx context.Context, r BlobReader, item ocispec.Descriptor, limit int, visit func(ocispec.Descriptor) error) error {
	w := indexWalker{read: r, left: limit, nested: func(d ocispec.Descriptor) bool { return isIndexType(d.MediaType) }}
	return w.walk(ctx, item, maxDepth, func(part ocispec.Descriptor) error {
		if !isManifestType(part.MediaType) {
			return w.damaged(item, fmt.Sprintf("has a part of media type %q", part.MediaType))
		}
		return visit(part)
	})
}

// indexWriter writes indexes that hold at most maxChildren descriptors.
type indexWriter struct {
	store       BlobPutter
	maxChildren int
}

func (w indexWriter) put(ctx context.Context, children []ocispec.Descriptor, artifactType string, annotations map[string]string) (ocispec.Descriptor, error) {
	for {
		groups, err := w.split(children)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		if len(groups) == 1 {
			desc, err := w.putOne(ctx, groups[0], artifactType, annotations)
			desc.Annotations = maps.Clone(annotations)
			return desc, err
		}
		children = nil
		for _, group := range groups {
			desc, err := w.putOne(ctx, group, ArtifactTypeNested, nil)
			if err != nil {
				return ocispec.Descriptor{}, err
			}
			children = append(children, desc)
		}
	}
}

// split cuts by number and by length; an empty list is one empty group.
func (w indexWriter) split(children []ocispec.Descriptor) ([][]ocispec.Descriptor, error) {
	groups := [][]ocispec.Descriptor{{}}
	size := 0
	for _, child := range children {
		data, err := json.Marshal(child)
		if err != nil {
			return nil, err
		}
		last := len(groups) - 1
		// A group of one could never become fewer.
		full := len(groups[last]) >= w.maxChildren || size+len(data) > nestedTarget
		if full && len(groups[last]) > 1 {
			groups = append(groups, nil)
			last, size = last+1, 0
		}
		groups[last] = append(groups[last], child)
		size += len(data) + 1
	}
	return groups, nil
}

func (w indexWriter) putOne(ctx context.Context, children []ocispec.Descriptor, artifactType string, annotations map[string]string) (ocispec.Descriptor, error) {
	data, err := json.Marshal(ocispec.Index{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageIndex,
		ArtifactType: artifactType,
		Manifests:    children,
		Annotations:  annotations,
	})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if len(data) > MaxManifest {
		return ocispec.Descriptor{}, fmt.Errorf("index of %d bytes is too long", len(data))
	}
	d, err := w.store.PutBlob(ctx, data)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageIndex, ArtifactType: artifactType,
		Digest: d.OCI(), Size: int64(len(data)),
	}, nil
}

// indexWalker visits what indexes hold. It is bounded in depth and in number:
// a hostile index can list one nested index very often.
type indexWalker struct {
	read   BlobReader
	nested func(ocispec.Descriptor) bool
	left   int
}

func (w *indexWalker) walk(ctx context.Context, index ocispec.Descriptor, depth int, visit func(ocispec.Descriptor) error) error {
	content, err := ReadIndex(ctx, w.read, index)
	if err != nil {
		return err
	}
	return w.visitAll(ctx, index, content.Manifests, depth, visit)
}

func (w *indexWalker) visitAll(ctx context.Context, index ocispec.Descriptor, children []ocispec.Descriptor, depth int, visit func(ocispec.Descriptor) error) error {
	for _, child := range children {
		if w.left--; w.left < 0 {
			return w.damaged(index, "more descriptors than one walk may visit")
		}
		if !w.nested(child) {
			if err := visit(child); err != nil {
				return err
			}
			continue
		}
		if depth <= 1 {
			return w.damaged(index, "indexes are nested too deep")
		}
		if err := w.walk(ctx, child, depth-1, visit); err != nil {
			return err
		}
	}
	return nil
}

func (w *indexWalker) damaged(index ocispec.Descriptor, reason string) error {
	d, err := ParseDigest(index.Digest.String())
	if err != nil {
		return err
	}
	return &DamagedError{Digest: d, Reason: reason}
}
