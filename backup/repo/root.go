package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// rootDocument is the sealed part of a snapshot of an encrypted repository: what
// its items are called and what else is told of them. It is the first child of the
// snapshot's index; the others are the items, in the same order.
type rootDocument struct {
	Version     int               `json:"version"`
	Snapshot    string            `json:"snapshot"` // so that it stands for no other
	Items       []rootItem        `json:"items"`
	Annotations map[string]string `json:"annotations"` // of the snapshot
}

type rootItem struct {
	Name        string            `json:"name"` // kind/name, as index.json of a clear repository has it
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
}

// hidden are annotations of a snapshot that its root document holds.
var hidden = []string{annConsistency, annEngine, annDavit}

// putSealedSnapshot writes the root document and an index without names.
func (s *Session) putSealedSnapshot(ctx context.Context, w indexWriter, snap *Snapshot) error {
	all := snapshotAnnotations(snap)
	root := rootDocument{Version: 1, Snapshot: snap.ID, Items: []rootItem{}, Annotations: make(map[string]string)}
	for _, key := range hidden {
		root.Annotations[key] = all[key]
		delete(all, key)
	}
	children := make([]ocispec.Descriptor, 1, 1+len(snap.Items))
	for _, item := range snap.Items {
		desc := describeItem(item)
		root.Items = append(root.Items, rootItem{Name: itemRef(item), Digest: desc.Digest.String(), Annotations: desc.Annotations})
		desc.Annotations, desc.Platform = nil, nil
		children = append(children, desc)
	}
	var err error
	if children[0], err = s.putSealedJSON(ctx, MediaTypeRoot, root); err != nil {
		return fmt.Errorf("put root document: %w", err)
	}
	desc, err := w.put(ctx, children, ArtifactTypeSnapshot, all)
	if err != nil {
		return err
	}
	snap.Size = desc.Size
	snap.Digest, err = ParseDigest(desc.Digest.String())
	return err
}

func (s *Session) putSealedJSON(ctx context.Context, mediaType string, v any) (ocispec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	sealed, err := s.repo.Seal(nil, data)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := s.PutBlob(ctx, sealed)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d.OCI(), Size: int64(len(sealed))}, err
}

// readSnapshot reads what a ref names, and opens it when it can.
func (r *Repository) readSnapshot(ctx context.Context, f ref) (Snapshot, error) {
	snap, err := readSnapshot(ctx, r, f)
	if err != nil || r.vault == nil {
		return snap, err
	}
	if snap.root == nil {
		return Snapshot{}, &DamagedError{Digest: snap.Digest, Reason: "has no root document"}
	}
	if err := r.openRoot(ctx, &snap); err != nil && !errors.Is(err, ErrKeyNeeded) {
		return Snapshot{}, err
	}
	return snap, nil
}

// openRoot gives the items of a snapshot their names.
func (r *Repository) openRoot(ctx context.Context, snap *Snapshot) error {
	if err := r.NeedKey(); err != nil {
		return err
	}
	d, err := ParseDigest(snap.root.Digest.String())
	if err != nil {
		return err
	}
	damaged := func(reason string) error { return &DamagedError{Digest: d, Reason: reason} }
	sealed, err := r.ReadBlob(ctx, d, snap.root.Size, nil)
	if err != nil {
		return err
	}
	data, err := r.Unseal(nil, sealed)
	if unsealed := (*SealError)(nil); errors.As(err, &unsealed) {
		return damaged(err.Error())
	}
	if err != nil {
		return err
	}
	var root rootDocument
	if err := json.Unmarshal(data, &root); err != nil {
		return damaged("is no root document: " + err.Error())
	}
	if root.Snapshot != snap.ID || len(root.Items) != len(snap.sealed) {
		return damaged("is the root document of another snapshot")
	}
	items := make([]Item, len(root.Items))
	for i, desc := range snap.sealed {
		if root.Items[i].Digest != desc.Digest.String() {
			return damaged("names other items than its snapshot")
		}
		desc.Annotations = maps.Clone(root.Items[i].Annotations)
		if items[i], err = decodeItem(desc); err != nil {
			return damaged(err.Error())
		}
	}
	snap.Items = items
	snap.Consistency, snap.EngineVersion, snap.DavitVersion = root.Annotations[annConsistency], root.Annotations[annEngine], root.Annotations[annDavit]
	return nil
}
