package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"davit/backup/repo"

	"github.com/distribution/reference"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// addOCI plans an image for a containerd store: the manifests byte for byte,
// so that it gets the digest it had.
func (p *plan) addOCI(ctx context.Context, image ExportImage) error {
	w := &ociExport{plan: p, plain: map[string]ocispec.Descriptor{}, originals: map[string]ocispec.Descriptor{}, absent: map[string]bool{}}
	for _, digest := range image.Absent {
		w.absent[digest] = true
	}
	top, err := w.unwrap(ctx, image.Desc)
	if err != nil {
		return err
	}
	if err := w.node(ctx, top, 0); err != nil {
		return err
	}
	top = ocispec.Descriptor{MediaType: top.MediaType, Digest: top.Digest, Size: top.Size, Platform: top.Platform}
	if len(image.Tags) == 0 {
		p.tops = append(p.tops, top)
	}
	for _, tag := range image.Tags {
		ref, err := reference.ParseNormalizedNamed(tag)
		if err != nil {
			return fmt.Errorf("tag %q: %w", tag, err)
		}
		tagged, ok := ref.(reference.NamedTagged)
		if !ok {
			return fmt.Errorf("tag %q: it has no tag", tag)
		}
		named := top
		named.Annotations = map[string]string{annotationContainerdName: tagged.String(), annotationRefName: tagged.Tag()}
		p.tops = append(p.tops, named)
	}
	return nil
}

func (p *plan) finishOCI() error {
	index, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: p.tops,
	})
	if err != nil {
		return err
	}
	p.addData(ocispec.ImageLayoutFile, []byte(`{"imageLayoutVersion":"`+ocispec.ImageLayoutVersion+`"}`))
	p.addData(ocispec.ImageIndexFile, index)
	return nil
}

// ociExport plans what hangs below one image.
type ociExport struct {
	*plan
	nodes     int
	plain     map[string]ocispec.Descriptor // diff id -> stored layer, of an image with originals
	originals map[string]ocispec.Descriptor // digest -> the document an image came with
	absent    map[string]bool
}

// unwrap finds the image in an item that keeps its originals, and where its
// uncompressed layers are stored.
func (w *ociExport) unwrap(ctx context.Context, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	if !isIndex(desc.MediaType) {
		return desc, nil
	}
	doc, err := w.document(ctx, desc, maxManifest)
	if err != nil {
		return desc, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(doc, &index); err != nil {
		return desc, fmt.Errorf("read index %s: %w", desc.Digest, err)
	}
	id := index.Annotations[AnnotationOriginal]
	if id == "" {
		return desc, nil
	}
	for _, child := range index.Manifests {
		if child.MediaType == MediaTypeOriginal {
			child.MediaType = child.Annotations[AnnotationOriginal]
			w.originals[child.Digest.String()] = child
		} else if err := w.stored(ctx, child, 0); err != nil {
			return desc, err
		}
	}
	top, ok := w.originals[id]
	if !ok {
		return desc, fmt.Errorf("%s has no original %s", desc.Digest, id)
	}
	return top, nil
}

// stored notes where the stored form of an image has its layers.
func (w *ociExport) stored(ctx context.Context, desc ocispec.Descriptor, depth int) error {
	if w.absent[desc.Digest.String()] {
		return nil
	}
	_, listed, err := w.read(ctx, desc, depth)
	if err != nil {
		return err
	}
	for _, child := range listed {
		if id := child.Annotations[AnnotationID]; id != "" {
			w.plain["sha256:"+id] = child
		}
		if isIndex(child.MediaType) || isManifest(child.MediaType) {
			if err := w.stored(ctx, child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// node plans a document and all it lists, but for what the engine did not
// have either.
func (w *ociExport) node(ctx context.Context, desc ocispec.Descriptor, depth int) error {
	doc, listed, err := w.read(ctx, desc, depth)
	if err != nil {
		return err
	}
	w.addData(blobDir+desc.Digest.Encoded(), doc)
	for _, child := range listed {
		switch {
		case w.absent[child.Digest.String()]:
			continue
		case isIndex(child.MediaType), isManifest(child.MediaType):
			err = w.node(ctx, child, depth+1)
		default:
			err = w.blob(ctx, child)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// blob plans a config or layer: as it is, or uncompressed where the image had
// it so.
func (w *ociExport) blob(ctx context.Context, desc ocispec.Descriptor) error {
	name := blobDir + desc.Digest.Encoded()
	stored, ok := w.plain[desc.Digest.String()]
	if !ok {
		return w.addStored(name, desc)
	}
	diff, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return err
	}
	return w.addPlain(ctx, name, stored, repo.ID(diff))
}

// read gives a document and what it lists: manifests, or a config and layers.
func (w *ociExport) read(ctx context.Context, desc ocispec.Descriptor, depth int) ([]byte, []ocispec.Descriptor, error) {
	if w.nodes++; w.nodes > 2*maxNodes || depth > maxDepth {
		return nil, nil, errors.New("too many manifests or indexes inside each other")
	}
	doc, err := w.document(ctx, desc, maxManifest)
	if err != nil {
		return nil, nil, err
	}
	var both struct {
		Manifests []ocispec.Descriptor
		Config    ocispec.Descriptor
		Layers    []ocispec.Descriptor
	}
	if err := json.Unmarshal(doc, &both); err != nil {
		return nil, nil, fmt.Errorf("read manifest %s: %w", desc.Digest, err)
	}
	switch {
	case isIndex(desc.MediaType):
		return doc, both.Manifests, nil
	case isManifest(desc.MediaType):
		return doc, append(both.Layers, both.Config), nil
	}
	return nil, nil, fmt.Errorf("%s has the media type %q", desc.Digest, desc.MediaType)
}
