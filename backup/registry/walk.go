package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// maxDepth bounds how deep indexes and manifests are nested.
const maxDepth = 8

// walk pushes what one snapshot consists of, from below: a registry takes a manifest when it has what that names.
type walk struct {
	*pusher
	seen      map[repo.Digest]bool
	manifests []ocispec.Descriptor
	documents []ocispec.Descriptor // indexes, and what they name that is no manifest
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

func isManifest(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == "application/vnd.docker.distribution.manifest.v2+json"
}

// add pushes what desc leads to. absent are the digests that the item says were not on its host.
func (w *walk) add(ctx context.Context, desc ocispec.Descriptor, depth int, absent map[string]bool) error {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil || w.seen[d] || absent[desc.Digest.String()] {
		return nil //nolint:nilerr // an algorithm that is not ours names no blob of ours
	}
	if depth == 0 {
		return &repo.DamagedError{Digest: d, Reason: "is nested too deep"}
	}
	w.seen[d] = true
	if list, ok := desc.Annotations[repo.AnnotationAbsent]; ok {
		absent = maps.Clone(absent)
		if absent == nil {
			absent = map[string]bool{}
		}
		for _, digest := range strings.Fields(list) {
			absent[digest] = true
		}
	}
	if isManifest(desc.MediaType) {
		return w.manifest(ctx, d, desc, absent)
	}
	if isIndex(desc.MediaType) {
		index, err := repo.ReadIndex(ctx, w.from, desc)
		if err != nil {
			return err
		}
		for _, child := range index.Manifests {
			if err := w.add(ctx, child, depth-1, absent); err != nil {
				return err
			}
		}
	}
	document := ocispec.Descriptor{MediaType: mediaTypeBlob, Digest: desc.Digest, Size: desc.Size}
	w.documents = append(w.documents, document)
	return w.putStored(ctx, document)
}

// manifest pushes a manifest and its blobs; one that is there with its tag has them.
func (w *walk) manifest(ctx context.Context, d repo.Digest, desc ocispec.Descriptor, absent map[string]bool) error {
	have, ok := w.pushed[d]
	if !ok {
		data, err := w.from.ReadBlob(ctx, d, desc.Size, nil)
		if err != nil {
			return err
		}
		manifest, err := repo.DecodeManifest(d, data)
		if err != nil {
			return err
		}
		have = ocispec.Descriptor{MediaType: desc.MediaType, ArtifactType: desc.ArtifactType, Digest: desc.Digest, Size: desc.Size, Platform: desc.Platform}
		tag := "part-" + d.Hex()
		found, err := w.remote.client.Manifests().Resolve(ctx, tag)
		switch {
		case err == nil && found.Digest == desc.Digest:
		case err != nil && !isAbsent(err):
			return fmt.Errorf("look for manifest %s: %w", d, err)
		default:
			blobs := slices.DeleteFunc(append([]ocispec.Descriptor{manifest.Config}, manifest.Layers...), func(b ocispec.Descriptor) bool {
				return absent[b.Digest.String()]
			})
			if err := w.all(ctx, blobs); err != nil {
				return err
			}
			if _, err := w.putManifest(ctx, desc.MediaType, data, tag); err != nil {
				return err
			}
		}
		w.pushed[d] = have
	}
	w.manifests = append(w.manifests, have)
	return nil
}

// images gives the images of a clear repository names that docker pull understands: of an image with several platforms
// that of its host.
func (c *pusher) images(ctx context.Context, s repo.Snapshot) (tags []string, err error) {
	if c.from.Encrypted() {
		return nil, nil
	}
	for _, it := range s.Items {
		if it.Kind != repo.KindImage {
			continue
		}
		desc, ok, err := c.runnable(ctx, it)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		d, err := repo.ParseDigest(desc.Digest.String())
		if err != nil {
			return nil, err
		}
		data, err := c.from.ReadBlob(ctx, d, desc.Size, nil)
		if err != nil {
			return nil, err
		}
		name := tagOf(it.Name)
		for _, tag := range []string{s.ID + "-" + name, name} {
			if _, err := c.putManifest(ctx, desc.MediaType, data, tag); err != nil {
				return nil, err
			}
		}
		tags = append(tags, name)
	}
	return tags, nil
}

// runnable is the manifest of an image that its host ran.
func (c *pusher) runnable(ctx context.Context, it repo.Item) (ocispec.Descriptor, bool, error) {
	if isManifest(it.Desc.MediaType) {
		return it.Desc, true, nil
	}
	if !isIndex(it.Desc.MediaType) {
		return it.Desc, false, nil
	}
	index, err := repo.ReadIndex(ctx, c.from, it.Desc)
	if err != nil {
		return it.Desc, false, err
	}
	want := it.Desc.Platform
	for _, child := range index.Manifests {
		d, err := repo.ParseDigest(child.Digest.String())
		if err != nil || !isManifest(child.MediaType) {
			continue
		}
		if _, pushed := c.pushed[d]; !pushed {
			continue
		}
		if p := child.Platform; want == nil || p == nil || p.OS == want.OS && p.Architecture == want.Architecture {
			return child, true, nil
		}
	}
	return it.Desc, false, nil
}

// tagOf is the name of an image as a tag.
func tagOf(name string) string {
	const most = 100 // of 128, with the snapshot before it
	tag := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, name)
	tag = strings.TrimLeft(tag, ".-")
	if len(tag) > most || tag == "" || isSnapshotID(tag) || strings.HasPrefix(tag, "part-") || strings.HasPrefix(tag, "card-") {
		return "image-" + repo.DigestOf([]byte(name)).Hex()[:32]
	}
	return tag
}
