package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"davit/backup/repo"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerEntry is an image in docker's manifest.json.
type dockerEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerImages lists what manifest.json names, each image once.
func (c *contents) dockerImages(ImportOptions) ([]*candidate, error) {
	doc, ok := c.docs["manifest.json"]
	if !ok {
		return nil, errors.New("read archive: it has no manifest.json")
	}
	var entries []dockerEntry
	if err := json.Unmarshal(doc, &entries); err != nil {
		return nil, fmt.Errorf("read manifest.json: %w", err)
	}
	byID := map[string]*candidate{}
	var list []*candidate
	for _, e := range entries {
		id := dockerID(c, e.Config)
		if known := byID[id]; known != nil {
			known.tags = append(known.tags, e.RepoTags...)
			continue
		}
		image := &candidate{id: id, tags: slices.Clone(e.RepoTags), make: func(ctx context.Context, store Store) (ImageItem, error) {
			return c.dockerImage(ctx, store, e)
		}}
		byID[id] = image
		list = append(list, image)
	}
	return list, nil
}

// dockerID is the config's digest, or what its file name says it should be:
// so that an image whose config is missing can still be named.
func dockerID(c *contents, name string) string {
	if f, err := c.file(name); err == nil {
		return f.digest.String()
	}
	return dockerNamed(name)
}

func (c *contents) dockerImage(ctx context.Context, store Store, e dockerEntry) (ImageItem, error) {
	f, err := c.file(e.Config)
	if err != nil {
		return ImageItem{}, fmt.Errorf("config: %w", err)
	}
	if f.doc == nil {
		return ImageItem{}, errors.New("config: not a JSON document")
	}
	if _, err := repo.ParseDigest(dockerNamed(e.Config)); err == nil && dockerNamed(e.Config) != f.digest.String() {
		return ImageItem{}, fmt.Errorf("config %s holds %s", e.Config, f.digest)
	}
	cfg, err := parseConfig(f.doc)
	if err != nil {
		return ImageItem{}, err
	}
	if len(cfg.diffs) != len(e.Layers) {
		return ImageItem{}, fmt.Errorf("%d layers where the config has %d", len(e.Layers), len(cfg.diffs))
	}
	layers := make([]ocispec.Descriptor, 0, len(e.Layers))
	for i, name := range e.Layers {
		f, err := c.file(name)
		if err != nil {
			return ImageItem{}, fmt.Errorf("layer %d: %w", i+1, err)
		}
		if f.doc != nil {
			return ImageItem{}, fmt.Errorf("layer %d: %s is no layer", i+1, name)
		}
		if f.diff != cfg.diffs[i] {
			return ImageItem{}, fmt.Errorf("layer %d: %s holds sha256:%s, the config has sha256:%s", i+1, name, f.diff, cfg.diffs[i])
		}
		layers = append(layers, f.descriptor())
	}
	return storeImage(ctx, store, f.doc, cfg, layers)
}

// dockerNamed is the digest that a config's file name means.
func dockerNamed(name string) string {
	return "sha256:" + strings.TrimSuffix(path.Base(name), ".json")
}

// descriptor describes the file as a layer in its stored form.
func (f *file) descriptor() ocispec.Descriptor {
	desc := layerDescriptor(f.diff, f.length, f.stored, f.kept)
	switch f.packed {
	case gzipped:
		desc.MediaType = ocispec.MediaTypeImageLayerGzip
	case zstandard:
		desc.MediaType = ocispec.MediaTypeImageLayerZstd
	}
	return desc
}

// storeImage writes an image's config and a manifest of our own.
func storeImage(ctx context.Context, store Store, doc []byte, cfg *config, layers []ocispec.Descriptor) (ImageItem, error) {
	configDesc, err := putDocument(ctx, store, ocispec.MediaTypeImageConfig, doc)
	if err != nil {
		return ImageItem{}, err
	}
	desc, err := putJSON(ctx, store, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    configDesc,
		Layers:    layers,
	})
	if err != nil {
		return ImageItem{}, err
	}
	desc.Platform = cfg.platform()
	return ImageItem{Desc: desc, Platform: platformName(desc.Platform)}, nil
}
