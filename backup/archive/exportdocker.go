package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// addDocker plans an image for a graph store.
func (p *plan) addDocker(ctx context.Context, image ExportImage) error {
	m, err := p.single(ctx, image.Desc, 0)
	if err != nil {
		return err
	}
	doc, err := p.document(ctx, m.Config, maxConfig)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	cfg, err := parseConfig(doc)
	if err != nil {
		return err
	}
	if len(cfg.diffs) != len(m.Layers) {
		return fmt.Errorf("%d layers where the config has %d", len(m.Layers), len(cfg.diffs))
	}
	e := dockerEntry{Config: m.Config.Digest.Encoded() + ".json", RepoTags: image.Tags, Layers: []string{}}
	p.addData(e.Config, doc)
	for i, layer := range m.Layers {
		diff := cfg.diffs[i]
		name := diff.String() + "/layer.tar"
		if p.o.Target == TargetGraph || !isLayer(layer.MediaType) {
			err = p.addPlain(ctx, name, layer, diff)
		} else {
			err = p.addStored(name, layer)
		}
		if err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		e.Layers = append(e.Layers, name)
	}
	p.docker = append(p.docker, e)
	return nil
}

func (p *plan) finishDocker() error {
	doc, err := json.Marshal(p.docker)
	if err != nil {
		return err
	}
	p.addData("manifest.json", doc)
	return nil
}

// single finds the one image manifest that fits the engine's platform.
func (p *plan) single(ctx context.Context, desc ocispec.Descriptor, depth int) (*ocispec.Manifest, error) {
	if depth > maxDepth {
		return nil, errors.New("too many indexes inside each other")
	}
	doc, err := p.document(ctx, desc, maxManifest)
	if err != nil {
		return nil, err
	}
	if isManifest(desc.MediaType) {
		var m ocispec.Manifest
		if err := json.Unmarshal(doc, &m); err != nil {
			return nil, fmt.Errorf("read manifest %s: %w", desc.Digest, err)
		}
		return &m, nil
	}
	if !isIndex(desc.MediaType) {
		return nil, fmt.Errorf("%s has the media type %q", desc.Digest, desc.MediaType)
	}
	var index ocispec.Index
	if err := json.Unmarshal(doc, &index); err != nil {
		return nil, fmt.Errorf("read index %s: %w", desc.Digest, err)
	}
	child, err := p.pick(index)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Digest, err)
	}
	return p.single(ctx, child, depth+1)
}

// pick chooses among an index's images: the engine's platform, or the only
// one that runs anywhere.
func (p *plan) pick(index ocispec.Index) (ocispec.Descriptor, error) {
	var images []ocispec.Descriptor
	for _, child := range index.Manifests {
		if child.MediaType == MediaTypeOriginal || child.Platform != nil && child.Platform.OS == "unknown" {
			continue
		}
		if samePlatform(child.Platform, p.o.Platform) {
			return child, nil
		}
		images = append(images, child)
	}
	if len(images) != 1 {
		return ocispec.Descriptor{}, fmt.Errorf("none of its %d images is for %s", len(images), platformName(p.o.Platform))
	}
	return images[0], nil
}
