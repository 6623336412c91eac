package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The names an OCI layout's index gives its images.
const (
	annotationContainerdName = "io.containerd.image.name"
	annotationRefName        = ocispec.AnnotationRefName
)

// Docker's own media types.
const (
	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaTypeDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeDockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayerPrefix       = "application/vnd.docker.image.rootfs."
	ociLayerPrefix          = "application/vnd.oci.image.layer."
)

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == mediaTypeDockerIndex
}

func isManifest(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == mediaTypeDockerManifest
}

func isLayer(mediaType string) bool {
	return strings.HasPrefix(mediaType, ociLayerPrefix) || strings.HasPrefix(mediaType, dockerLayerPrefix)
}

func isConfig(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageConfig || mediaType == mediaTypeDockerConfig
}

// ociImages lists what index.json names, each image once.
func (c *contents) ociImages(o ImportOptions) ([]*candidate, error) {
	doc, ok := c.docs["index.json"]
	if !ok {
		return nil, errors.New("read archive: it has no index.json")
	}
	var index ocispec.Index
	if err := json.Unmarshal(doc, &index); err != nil {
		return nil, fmt.Errorf("read index.json: %w", err)
	}
	byID := map[string]*candidate{}
	var list []*candidate
	for _, desc := range index.Manifests {
		id := desc.Digest.String()
		image := byID[id]
		if image == nil {
			image = &candidate{id: id, make: func(ctx context.Context, store Store) (ImageItem, error) {
				return c.ociImage(ctx, store, desc, o.Platform)
			}}
			byID[id] = image
			list = append(list, image)
		}
		if tag := tagOf(desc.Annotations); tag != "" && !slices.Contains(image.tags, tag) {
			image.tags = append(image.tags, tag)
		}
	}
	return list, nil
}

// tagOf is an image's name as docker shows it; a name by digest is none.
func tagOf(annotations map[string]string) string {
	ref, err := reference.ParseNormalizedNamed(annotations[annotationContainerdName])
	if err != nil {
		return ""
	}
	if _, tagged := ref.(reference.Tagged); !tagged {
		return ""
	}
	return reference.FamiliarString(ref)
}

// ociImage stores an image of a containerd store.
func (c *contents) ociImage(ctx context.Context, store Store, desc ocispec.Descriptor, want *ocispec.Platform) (ImageItem, error) {
	desc = ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, Platform: desc.Platform}
	w := &ociWalk{c: c, store: store}
	top, err := w.node(ctx, desc, 0)
	if err != nil {
		return ImageItem{}, err
	}
	if err := w.enough(want); err != nil {
		return ImageItem{}, err
	}
	if top.Digest != desc.Digest {
		if top, err = w.wrap(ctx, top, desc); err != nil {
			return ImageItem{}, err
		}
	}
	item := ImageItem{Desc: top, Absent: w.absent}
	if len(w.complete) == 1 {
		item.Platform = platformName(w.complete[0])
		item.Desc.Platform = w.complete[0]
	}
	return item, nil
}

// ociWalk stores the tree of manifests below one image.
type ociWalk struct {
	c         *contents
	store     Store
	nodes     int
	complete  []*ocispec.Platform  // of the images that are all there
	lacking   []lack               // of those that are not
	absent    []string             // what is named and not there
	originals []ocispec.Descriptor // of documents that were given another form
}

type lack struct {
	platform *ocispec.Platform
	err      error
	part     bool // some of it is there
}

var errAbsent = errors.New("it is not in the archive")

// node stores one manifest or index and gives the descriptor of its stored
// form: the same when nothing below had to change.
func (w *ociWalk) node(ctx context.Context, desc ocispec.Descriptor, depth int) (ocispec.Descriptor, error) {
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth {
		return desc, errors.New("too many manifests or indexes inside each other")
	}
	doc, err := w.document(desc, maxManifest)
	if err != nil {
		return desc, err
	}
	switch {
	case isIndex(desc.MediaType):
		return w.index(ctx, desc, doc, depth)
	case isManifest(desc.MediaType):
		return w.manifest(ctx, desc, doc)
	}
	return desc, fmt.Errorf("%s has the media type %q", desc.Digest, desc.MediaType)
}

func (w *ociWalk) index(ctx context.Context, desc ocispec.Descriptor, doc []byte, depth int) (ocispec.Descriptor, error) {
	var index ocispec.Index
	if err := json.Unmarshal(doc, &index); err != nil {
		return desc, fmt.Errorf("read index %s: %w", desc.Digest, err)
	}
	changed := false
	for i, child := range index.Manifests {
		stored, err := w.node(ctx, child, depth+1)
		var missing *missingError
		switch {
		case errors.Is(err, errAbsent):
			w.absent = append(w.absent, child.Digest.String())
			w.lacking = append(w.lacking, lack{platform: child.Platform, err: err})
		case errors.As(err, &missing):
			w.absent = append(w.absent, missing.digests...)
			w.lacking = append(w.lacking, lack{platform: child.Platform, err: err, part: missing.part})
			// The manifest itself is there, and others may follow the index to it.
			if _, err := w.put(ctx, child); err != nil {
				return desc, err
			}
		case err != nil:
			return desc, err
		default:
			changed = changed || stored.Digest != child.Digest
			index.Manifests[i] = stored
		}
	}
	if !changed {
		return w.put(ctx, desc)
	}
	w.originals = append(w.originals, desc)
	index.MediaType = ocispec.MediaTypeImageIndex
	return w.rewritten(ctx, desc, index.MediaType, index)
}

// missingError lists the blobs that a manifest names and the archive lacks.
type missingError struct {
	digests []string
	part    bool // others are there
}

func (e *missingError) Error() string {
	return "missing from the archive: " + strings.Join(e.digests, ", ")
}

func (w *ociWalk) manifest(ctx context.Context, desc ocispec.Descriptor, doc []byte) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(doc, &m); err != nil {
		return desc, fmt.Errorf("read manifest %s: %w", desc.Digest, err)
	}
	files, missing := w.files(m)
	for _, part := range append(m.Layers, m.Config) {
		if _, err := w.put(ctx, part); err != nil && !errors.Is(err, errAbsent) {
			return desc, err
		}
	}
	if missing != nil {
		return desc, missing
	}
	cfg, err := w.check(m, files)
	if err != nil {
		return desc, fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	if cfg != nil && isRunnable(cfg) {
		desc.Platform = firstPlatform(desc.Platform, cfg.platform())
		w.complete = append(w.complete, desc.Platform)
	}
	changed := false
	for i, f := range files {
		if !f.asIs() {
			m.Layers[i], changed = f.descriptor(), true
		}
	}
	if !changed {
		return w.put(ctx, desc)
	}
	w.originals = append(w.originals, desc)
	m.Versioned, m.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageManifest
	m.Config.MediaType = ocispec.MediaTypeImageConfig
	for i := range m.Layers {
		m.Layers[i].MediaType = ociLayerType(m.Layers[i].MediaType)
	}
	return w.rewritten(ctx, desc, m.MediaType, m)
}

func firstPlatform(list ...*ocispec.Platform) *ocispec.Platform {
	for _, p := range list {
		if p != nil {
			return p
		}
	}
	return nil
}

// isRunnable tells images from the attestations beside them.
func isRunnable(c *config) bool { return c.OS != "" && c.OS != "unknown" }

// ociLayerType gives the OCI name of docker's gzip layers.
func ociLayerType(mediaType string) string {
	if strings.HasPrefix(mediaType, dockerLayerPrefix) && strings.HasSuffix(mediaType, ".gzip") {
		return ocispec.MediaTypeImageLayerGzip
	}
	return mediaType
}

// files finds a manifest's layers.
func (w *ociWalk) files(m ocispec.Manifest) ([]*file, error) {
	var missing missingError
	if _, err := w.document(m.Config, maxConfig); errors.Is(err, errAbsent) {
		missing.digests = append(missing.digests, m.Config.Digest.String())
	} else if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	files := make([]*file, 0, len(m.Layers))
	for _, layer := range m.Layers {
		f, err := w.file(layer)
		switch {
		case errors.Is(err, errAbsent):
			missing.digests = append(missing.digests, layer.Digest.String())
		case err != nil:
			return nil, fmt.Errorf("layer: %w", err)
		default:
			files = append(files, f)
		}
	}
	if missing.digests != nil {
		missing.part = len(files) > 0
		return nil, &missing
	}
	return files, nil
}

// check compares the layers of an image with its config. Other artifacts have
// no diff ids: their blobs are right when their digests are.
func (w *ociWalk) check(m ocispec.Manifest, files []*file) (*config, error) {
	if !isConfig(m.Config.MediaType) {
		return nil, nil
	}
	doc, err := w.document(m.Config, maxConfig)
	if err != nil {
		return nil, err
	}
	cfg, err := parseConfig(doc)
	if err != nil {
		return nil, err
	}
	if len(cfg.diffs) != len(files) {
		return nil, fmt.Errorf("%d layers where the config has %d", len(files), len(cfg.diffs))
	}
	for i, f := range files {
		if isLayer(m.Layers[i].MediaType) && f.diff != cfg.diffs[i] {
			return nil, fmt.Errorf("layer %d holds sha256:%s, the config has sha256:%s", i+1, f.diff, cfg.diffs[i])
		}
	}
	return cfg, nil
}
