package chunk

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

const (
	// maxSegment bounds what a reader decodes at once, chunk or catalog.
	maxSegment = 64 << 20
	// catalogEnd is the plain size from which a part ends after the run.
	catalogEnd = 8 << 20
)

// A Part is a decoded part manifest.
type Part struct {
	Digest  repo.Digest
	Size    int64
	Catalog repo.Blob
	Layers  []repo.Blob
}

// readPart reads and checks a part manifest.
func readPart(ctx context.Context, r Reader, desc ocispec.Descriptor) (*Part, error) {
	digest, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return nil, err
	}
	if desc.Size > repo.MaxManifest {
		return nil, &repo.DamagedError{Digest: digest, Reason: "part manifest is too large"}
	}
	data, err := r.ReadBlob(ctx, digest, desc.Size, nil)
	if err != nil {
		return nil, err
	}
	part, err := decodePartManifest(data)
	if err != nil {
		return nil, &repo.DamagedError{Digest: digest, Reason: err.Error()}
	}
	part.Digest, part.Size = digest, desc.Size
	return part, nil
}

func decodePartManifest(data []byte) (*Part, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("part manifest: %w", err)
	}
	if m.ArtifactType != repo.ArtifactTypePart || m.Config.MediaType != repo.MediaTypeCatalog {
		return nil, fmt.Errorf("part manifest: of type %q", m.ArtifactType)
	}
	if len(m.Layers) > maxPartLayers+1 {
		return nil, fmt.Errorf("part manifest: %d layers", len(m.Layers))
	}
	part := &Part{Layers: make([]repo.Blob, len(m.Layers))}
	var err error
	if part.Catalog, err = decodeDescriptor(m.Config, false); err != nil {
		return nil, err
	}
	for i, layer := range m.Layers {
		if part.Layers[i], err = decodeDescriptor(layer, true); err != nil {
			return nil, err
		}
	}
	return part, nil
}

func decodeDescriptor(d ocispec.Descriptor, chunk bool) (repo.Blob, error) {
	var blob repo.Blob
	var err error
	if blob.Digest, err = repo.ParseDigest(d.Digest.String()); err != nil {
		return blob, fmt.Errorf("part manifest: %w", err)
	}
	if chunk {
		if blob.ID, err = repo.ParseID(d.Annotations[repo.AnnotationID]); err != nil {
			return blob, fmt.Errorf("part manifest: %w", err)
		}
	}
	blob.Stored = d.Size
	blob.Len, err = strconv.ParseInt(d.Annotations[repo.AnnotationLen], 10, 64)
	if err != nil || blob.Len < 0 || blob.Len > maxSegment || blob.Stored < 0 || blob.Stored > maxSegment {
		return blob, fmt.Errorf("part manifest: layer of impossible length")
	}
	return blob, nil
}

// readCatalog returns the part's plain catalog segment.
func (p *Part) readCatalog(ctx context.Context, r Reader, d *Decoder) ([]byte, error) {
	stored, err := r.ReadBlob(ctx, p.Catalog.Digest, p.Catalog.Stored, nil)
	if err != nil {
		return nil, err
	}
	return openFrame(r, d, p.Catalog, stored, nil, nil)
}

// groups calls visit for the part's groups after checking that they name its
// layers, each once and in order.
func (p *Part) groups(ctx context.Context, r Reader, d *Decoder, visit func(*group) error) error {
	segment, err := p.readCatalog(ctx, r, d)
	if err != nil {
		return err
	}
	next := 0
	err = scanGroups(segment, func(g *group) error {
		if g.continued {
			g.layer = next
			next += g.chunks
		} else if g.layer >= 0 {
			if g.layer != next {
				return fmt.Errorf("catalog: layer %d where %d is next", g.layer, next)
			}
			next += 1 + g.chunks
		}
		if next > len(p.Layers) {
			return fmt.Errorf("catalog: more layers than the part has")
		}
		return visit(g)
	})
	if err == nil && next != len(p.Layers) {
		err = fmt.Errorf("catalog: %d layers of %d", next, len(p.Layers))
	}
	return catalogError(p.Catalog.Digest, err)
}

// content is the layers of g that hold a big file's chunks.
func (p *Part) content(g *group) []repo.Blob {
	at := g.layer
	if !g.continued {
		at++
	}
	return p.Layers[at : at+g.chunks]
}
