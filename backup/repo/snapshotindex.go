package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Annotations of a snapshot index.
const (
	annSnapshot    = "davit.snapshot"
	annHost        = "davit.host"
	annTime        = "davit.time"
	annJob         = "davit.job"
	annConsistency = "davit.consistency"
	annEngine      = "davit.engine"
	annDavit       = "davit.version"
	annComplete    = "davit.complete"
	annSummary     = "davit.summary." // and the name of a number
)

// Annotations of an item's descriptor.
const (
	annKind = "davit.kind"
	annName = "davit.name"
	// AnnotationTags lists an image item's tags, separated by spaces. Without
	// it the item's name is its tag.
	AnnotationTags = "davit.tags"
)

// putSnapshot writes the snapshot index and fills in its digest and size.
func putSnapshot(ctx context.Context, w indexWriter, snap *Snapshot) error {
	children := make([]ocispec.Descriptor, len(snap.Items))
	for i, item := range snap.Items {
		children[i] = describeItem(item)
	}
	desc, err := w.put(ctx, children, ArtifactTypeSnapshot, snapshotAnnotations(snap))
	if err != nil {
		return err
	}
	snap.Size = desc.Size
	snap.Digest, err = ParseDigest(desc.Digest.String())
	return err
}

func describeItem(item Item) ocispec.Descriptor {
	desc := item.Desc
	desc.Annotations = make(map[string]string)
	maps.Copy(desc.Annotations, item.Desc.Annotations)
	maps.Copy(desc.Annotations, item.Annotations)
	desc.Annotations[annKind] = item.Kind
	desc.Annotations[annName] = escapeName(item.Name)
	desc.Annotations[ocispec.AnnotationRefName] = itemRef(item)
	return desc
}

func snapshotAnnotations(snap *Snapshot) map[string]string {
	all := map[string]string{
		annSnapshot:    snap.ID,
		annHost:        snap.Host,
		annTime:        snap.Time.Format(time.RFC3339Nano),
		annJob:         snap.Job,
		annConsistency: snap.Consistency,
		annEngine:      snap.EngineVersion,
		annDavit:       snap.DavitVersion,
		annComplete:    strconv.FormatBool(snap.Complete),
	}
	for name, value := range snap.Summary {
		all[annSummary+name] = value
	}
	for key, value := range all {
		all[key] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return all
}

// readSnapshot reads what a ref names.
func readSnapshot(ctx context.Context, r BlobReader, f ref) (Snapshot, error) {
	d, err := ParseDigest(f.Digest)
	if err != nil {
		return Snapshot{}, err
	}
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d.OCI(), Size: f.Size}
	index, err := ReadIndex(ctx, r, desc)
	if err != nil {
		return Snapshot{}, err
	}
	snap, err := decodeSnapshot(index)
	if err == nil && snap.ID != f.ID {
		err = fmt.Errorf("is of snapshot %q", snap.ID)
	}
	if err != nil {
		return Snapshot{}, &DamagedError{Digest: d, Reason: err.Error()}
	}
	snap.Digest, snap.Size = d, f.Size
	w := indexWalker{read: r, left: maxPerWalk, nested: func(d ocispec.Descriptor) bool {
		return d.ArtifactType == ArtifactTypeNested && isIndexType(d.MediaType)
	}}
	err = w.visitAll(ctx, desc, index.Manifests, maxDepth, func(child ocispec.Descriptor) error {
		switch {
		case child.MediaType == MediaTypeRoot && snap.root == nil && len(snap.Items) == 0:
			snap.root = &child
			return nil
		case snap.root != nil:
			snap.sealed = append(snap.sealed, child)
			return nil
		}
		item, err := decodeItem(child)
		if err != nil {
			return &DamagedError{Digest: d, Reason: err.Error()}
		}
		snap.Items = append(snap.Items, item)
		return nil
	})
	return snap, err
}

func decodeSnapshot(index ocispec.Index) (Snapshot, error) {
	ann := index.Annotations
	if index.ArtifactType != ArtifactTypeSnapshot {
		return Snapshot{}, fmt.Errorf("artifact type %q is no snapshot", index.ArtifactType)
	}
	when, err := time.Parse(time.RFC3339Nano, ann[annTime])
	if err != nil {
		return Snapshot{}, fmt.Errorf("time: %w", err)
	}
	complete, err := strconv.ParseBool(ann[annComplete])
	if err != nil {
		return Snapshot{}, fmt.Errorf("complete: %w", err)
	}
	snap := Snapshot{
		ID: ann[annSnapshot], Time: when.UTC(), Host: ann[annHost], Job: ann[annJob],
		Consistency: ann[annConsistency], EngineVersion: ann[annEngine], DavitVersion: ann[annDavit],
		Complete: complete, Summary: make(map[string]string),
	}
	for key, value := range ann {
		if name, ok := strings.CutPrefix(key, annSummary); ok {
			snap.Summary[name] = value
		}
	}
	return snap, nil
}

func decodeItem(desc ocispec.Descriptor) (Item, error) {
	name, err := unescapeName(desc.Annotations[annName])
	if err != nil {
		return Item{}, err
	}
	item := Item{Kind: desc.Annotations[annKind], Name: name, Desc: desc, Annotations: maps.Clone(desc.Annotations)}
	if err := checkItem(item); err != nil {
		return Item{}, err
	}
	for _, own := range []string{annKind, annName, ocispec.AnnotationRefName} {
		delete(item.Annotations, own)
	}
	return item, nil
}

func checkItem(item Item) error {
	if item.Kind == "" || strings.Trim(item.Kind, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return fmt.Errorf("item with kind %q", item.Kind)
	}
	if item.Name == "" {
		return errors.New("item without a name")
	}
	return nil
}
