package repo

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// writeIndexJSON writes index.json for snapshots, newest first.
func (r *Repository) writeIndexJSON(ctx context.Context, snaps []Snapshot) error {
	return r.store.PutFrom(ctx, ocispec.ImageIndexFile, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		if err := encodeIndexJSON(out, snaps); err != nil {
			return err
		}
		return out.Flush()
	})
}

func encodeIndexJSON(w io.Writer, snaps []Snapshot) error {
	return json.NewEncoder(w).Encode(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: layoutManifests(snaps),
	})
}

// namedSnapshots are the snapshots that index.json names: those that can be read, beside an error that names the
// others. In an encrypted repository their items are nobody's business, even where this process knows them.
func (r *Repository) namedSnapshots(ctx context.Context) ([]Snapshot, error) {
	snaps, err := r.Snapshots(ctx)
	if r.vault != nil {
		for i := range snaps {
			snaps[i].Items = nil
		}
	}
	return snaps, err
}

// layoutManifests names everything in the repository, each name once:
//
//	<snapshot>                 a snapshot
//	<snapshot>/<kind>/<name>   an item of it
//	<kind>/<name>              that item in the newest complete snapshot that holds it
//	<tag>                      the image item with that tag, likewise
//
// Where all snapshots that hold an item are incomplete, the newest of them counts.
func layoutManifests(snaps []Snapshot) []ocispec.Descriptor {
	names := make(map[string]ocispec.Descriptor)
	for _, snap := range snaps {
		names[snap.ID] = ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageIndex, ArtifactType: ArtifactTypeSnapshot,
			Digest: snap.Digest.OCI(), Size: snap.Size,
		}
		for _, item := range snap.Items {
			names[snap.ID+"/"+itemRef(item)] = item.Desc
		}
	}
	ordered := latestFirst(snaps)
	for _, snap := range ordered {
		for _, item := range snap.Items {
			addName(names, itemRef(item), item.Desc)
		}
	}
	// Tags come last: whatever an image is called, it takes no other's name.
	for _, snap := range ordered {
		for _, item := range snap.Items {
			for _, tag := range itemTags(item) {
				addName(names, escapeName(tag), item.Desc)
			}
		}
	}
	list := make([]ocispec.Descriptor, 0, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		desc := names[name]
		desc.Annotations = map[string]string{ocispec.AnnotationRefName: name}
		list = append(list, desc)
	}
	return list
}

// latestFirst orders snapshots by who is to have the bare names.
func latestFirst(snaps []Snapshot) []Snapshot {
	var complete, incomplete []Snapshot
	for _, snap := range snaps {
		switch {
		case snap.Job == JobPruneArchive:
		case snap.Complete:
			complete = append(complete, snap)
		default:
			incomplete = append(incomplete, snap)
		}
	}
	return append(complete, incomplete...)
}

func addName(names map[string]ocispec.Descriptor, name string, desc ocispec.Descriptor) {
	if _, taken := names[name]; !taken {
		names[name] = desc
	}
}

// itemTags are an image item's tags; an image without one has no bare name.
func itemTags(item Item) []string {
	if item.Kind != KindImage {
		return nil
	}
	if tags, ok := item.Annotations[AnnotationTags]; ok {
		return strings.Fields(tags)
	}
	if strings.HasPrefix(item.Name, digestPrefix) {
		return nil
	}
	return []string{item.Name}
}
