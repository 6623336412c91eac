package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// Types of what a snapshot is in a registry beside its own documents.
const (
	artifactTypeCard = "application/vnd.davit.card.v1"
	mediaTypeCard    = "application/vnd.davit.card.config.v1+json"
	mediaTypeBlob    = "application/vnd.davit.document.v1"
)

// card is the config of the card.
type card struct {
	Version int               `json:"version"`
	Files   map[string][]byte `json:"files"` // by their names in a repository
}

const cardVersion = 1

func cardManifest(config ocispec.Descriptor, documents []ocispec.Descriptor) ([]byte, error) {
	if len(documents) == 0 {
		return nil, fmt.Errorf("a snapshot without documents")
	}
	return json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactTypeCard,
		Config: config, Layers: documents,
	})
}

// stored is what a registry has of a snapshot.
type stored struct {
	files     map[string][]byte
	manifests []ocispec.Descriptor
	documents []ocispec.Descriptor
}

// readCard reads what there is of a snapshot.
func (r *Remote) readCard(ctx context.Context, id string) (*stored, error) {
	_, data, err := r.fetchManifest(ctx, id)
	if err != nil {
		return nil, err
	}
	index, err := repo.DecodeIndex(repo.DigestOf(data), data)
	if err == nil && len(index.Manifests) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("tag %s is no snapshot of davit: %w", id, err)
	}
	_, data, err = r.fetchManifest(ctx, index.Manifests[0].Digest.String())
	if err != nil {
		return nil, err
	}
	manifest, err := repo.DecodeManifest(repo.DigestOf(data), data)
	if err == nil && manifest.ArtifactType != artifactTypeCard {
		err = fmt.Errorf("its first manifest is of type %q", manifest.ArtifactType)
	}
	if err != nil {
		return nil, fmt.Errorf("tag %s is no snapshot of davit: %w", id, err)
	}
	if data, err = r.fetchBlob(ctx, manifest.Config); err != nil {
		return nil, err
	}
	var c card
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read card of snapshot %s: %w", id, err)
	}
	if c.Version > cardVersion {
		return nil, &repo.NewerFormatError{Version: c.Version}
	}
	s := &stored{files: map[string][]byte{}, manifests: index.Manifests[1:], documents: manifest.Layers}
	for name, data := range c.Files {
		if wanted(name, id) {
			s.files[name] = data
		}
	}
	return s, nil
}

// wanted keeps a card from saying anything but what it is for.
func wanted(name, id string) bool {
	key, isKey := strings.CutPrefix(name, "davit/keys/")
	return name == "davit/config.json" || name == "davit/refs/"+id+".json" || isKey && !strings.Contains(key, "/")
}
