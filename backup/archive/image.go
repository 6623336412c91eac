package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"davit/backup/repo"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// candidate is an image that the archive's table of contents names.
type candidate struct {
	id   string // in a store of the kind
	tags []string
	make func(ctx context.Context, store Store) (ImageItem, error)
}

func (c *candidate) name() string {
	if len(c.tags) > 0 {
		return c.tags[0]
	}
	return c.id
}

// images stores what is wanted of the archive. It returns nil images when
// nothing can be said about single ones.
func (c *contents) images(ctx context.Context, store Store, o ImportOptions) ([]ImageItem, error) {
	kind := o.Kind
	if kind == "" {
		kind = c.kind()
	}
	list := c.dockerImages
	if kind == Containerd {
		list = c.ociImages
	}
	there, err := list(o)
	if err != nil {
		return nil, err
	}
	wanted, errs := choose(there, o.Want)
	found := []ImageItem{}
	for _, image := range wanted {
		item, err := image.make(ctx, store)
		if err != nil {
			errs = append(errs, &ImageError{Image: image.name(), Err: err})
			continue
		}
		item.ID, item.Kind, item.Tags = image.id, kind, image.tags
		for _, w := range o.Want {
			if w.ID == image.id {
				item.RepoDigests = w.RepoDigests
			}
		}
		found = append(found, item)
	}
	return found, errors.Join(errs...)
}

// kind tells what kind of store an archive comes from when nobody says so. An
// engine with a graph store gives its layers uncompressed.
func (c *contents) kind() StoreKind {
	if c.docs["manifest.json"] == nil {
		return Containerd
	}
	if c.docs["index.json"] == nil {
		return Graph
	}
	for _, f := range c.files {
		if f.packed != plain || f.lists("manifests") {
			return Containerd
		}
	}
	return Graph
}

// lists says whether the file is a document with this member.
func (f *file) lists(member string) bool {
	var doc map[string]json.RawMessage
	return f.doc != nil && json.Unmarshal(f.doc, &doc) == nil && doc[member] != nil
}

// choose takes the wanted images, each once; what is wanted and not there is
// an error each.
func choose(there []*candidate, want []Want) (chosen []*candidate, errs []error) {
	if want == nil {
		return there, nil
	}
	for _, w := range want {
		i := slices.IndexFunc(there, func(c *candidate) bool { return c.id == w.ID })
		if i < 0 {
			errs = append(errs, &ImageError{Image: w.name(), Err: errors.New("it is not in the archive")})
			continue
		}
		if w.Tags != nil {
			there[i].tags = w.Tags
		}
		chosen = append(chosen, there[i])
	}
	return chosen, errs
}

func (w *Want) name() string {
	if len(w.Tags) > 0 {
		return w.Tags[0]
	}
	return w.ID
}

// layerDescriptor describes an uncompressed layer in its stored form.
func layerDescriptor(diff repo.ID, length int64, stored repo.Digest, kept int64) ocispec.Descriptor {
	mediaType := ocispec.MediaTypeImageLayerZstd
	if repo.ID(stored) == diff {
		mediaType = ocispec.MediaTypeImageLayer
	}
	return ocispec.Descriptor{
		MediaType: mediaType,
		Digest:    stored.OCI(),
		Size:      kept,
		Annotations: map[string]string{
			AnnotationID:  diff.String(),
			AnnotationLen: strconv.FormatInt(length, 10),
		},
	}
}

// putDocument stores a document and describes it.
func putDocument(ctx context.Context, store Store, mediaType string, doc []byte) (ocispec.Descriptor, error) {
	d, err := store.PutBlob(ctx, doc)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d.OCI(), Size: int64(len(doc))}, nil
}

// putJSON stores what Go's encoder makes of v: the same bytes every time.
func putJSON(ctx context.Context, store Store, mediaType string, v any) (ocispec.Descriptor, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("encode manifest: %w", err)
	}
	if len(doc) > maxManifest {
		return ocispec.Descriptor{}, fmt.Errorf("manifest of %d bytes is too large", len(doc))
	}
	return putDocument(ctx, store, mediaType, doc)
}
