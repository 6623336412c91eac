package backup

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// artifactTypeDefinition marks the manifest of a definition item: its one layer is the document.
const artifactTypeDefinition = "application/vnd.davit.definition.v1"

// saveDefinitions saves the documents of a plan.
func (r *createRun) saveDefinitions(ctx context.Context) error {
	for i := range r.plan.Items {
		it := &r.plan.Items[i]
		if it.doc == nil {
			continue
		}
		store := r.session.NewItemStore()
		desc, err := putDefinition(ctx, store, it.doc)
		if err == nil {
			desc, err = store.Seal(ctx, desc)
		}
		if err != nil {
			if err := r.fail(ctx, it, err); err != nil {
				return err
			}
			continue
		}
		a := annotator{}
		a.number(annBytes, int64(len(it.doc.data)))
		if it.Kind == KindContainer {
			a.flag(annRunning, it.runs)
			if it.layer >= 0 {
				a.number(annLayerBytes, it.layer)
			}
		}
		if st := it.doc.stat; st != nil {
			a.number(annMode, int64(st.Mode&0o777))
			a.number(annUID, int64(st.UID))
			a.number(annGID, int64(st.GID))
		}
		r.items = append(r.items, repo.Item{Kind: it.Kind, Name: it.Name, Desc: desc, Annotations: a})
		r.report.add(ItemReport{
			Kind: it.Kind, Name: it.Name, Saved: true, Consistent: true, Bytes: int64(len(it.doc.data)),
		})
	}
	return nil
}

func putDefinition(ctx context.Context, s repo.BlobPutter, doc *definition) (ocispec.Descriptor, error) {
	layer, err := s.PutBlob(ctx, doc.data)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	empty := ocispec.DescriptorEmptyJSON
	if _, err := s.PutBlob(ctx, empty.Data); err != nil {
		return ocispec.Descriptor{}, err
	}
	empty.Data = nil
	manifest, err := json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: artifactTypeDefinition,
		Config:       empty,
		Layers:       []ocispec.Descriptor{{MediaType: doc.mediaType, Digest: layer.OCI(), Size: int64(len(doc.data))}},
	})
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("encode manifest: %w", err)
	}
	d, err := s.PutBlob(ctx, manifest)
	return ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactTypeDefinition,
		Digest: d.OCI(), Size: int64(len(manifest)),
	}, err
}

// readDefinition is the inverse of putDefinition.
func readDefinition(ctx context.Context, from *repo.Repository, desc ocispec.Descriptor) (data []byte, mediaType string, err error) {
	r := from.NewItemReader()
	if desc, err = r.Open(ctx, desc); err != nil {
		return nil, "", err
	}
	m, err := repo.ReadManifest(ctx, r, desc)
	if err != nil {
		return nil, "", err
	}
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return nil, "", err
	}
	if len(m.Layers) != 1 || m.Layers[0].Size > maxDefinition {
		return nil, "", &repo.DamagedError{Digest: d, Reason: "is not a definition"}
	}
	layer, err := repo.ParseDigest(m.Layers[0].Digest.String())
	if err != nil {
		return nil, "", err
	}
	data, err = r.ReadBlob(ctx, layer, m.Layers[0].Size, nil)
	return data, m.Layers[0].MediaType, err
}

// maxDefinition bounds a document that is read back.
const maxDefinition = 16 << 20
