package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// memory stores documents for the tests of pure structure.
type memory map[Digest][]byte

func (m memory) PutBlob(_ context.Context, data []byte) (Digest, error) {
	m[DigestOf(data)] = data
	return DigestOf(data), nil
}

func (m memory) ReadBlob(_ context.Context, d Digest, stored int64, _ []byte) ([]byte, error) {
	data, ok := m[d]
	if !ok || int64(len(data)) != stored {
		return nil, &DamagedError{Digest: d, Reason: "is missing"}
	}
	return data, nil
}

// index stores a document as an index and describes it.
func (m memory) index(doc string) ocispec.Descriptor {
	d, _ := m.PutBlob(context.Background(), []byte(doc))
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d.OCI(), Size: int64(len(doc))}
}

func someParts(n int) []ocispec.Descriptor {
	parts := make([]ocispec.Descriptor, n)
	for i := range parts {
		d := DigestOf(fmt.Append(nil, i))
		parts[i] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactTypePart, Digest: d.OCI(), Size: int64(i)}
	}
	return parts
}

func walkAll(t *testing.T, m memory, item ocispec.Descriptor) []ocispec.Descriptor {
	t.Helper()
	var got []ocispec.Descriptor
	err := WalkParts(t.Context(), m, item, func(part ocispec.Descriptor) error {
		got = append(got, part)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// However many parts there are, they come back in order, from indexes that no
// registry refuses.
func TestTreeRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, maxChildren, maxChildren + 1, 3*maxChildren + 7} {
		m := memory{}
		annotations := map[string]string{"davit.driver": "local"}
		item, err := BuildTreeItem(t.Context(), m, someParts(n), annotations)
		if err != nil {
			t.Fatal(err)
		}
		got := walkAll(t, m, item)
		if !slices.EqualFunc(got, someParts(n), func(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest && a.Size == b.Size }) {
			t.Errorf("%d parts came back as %d", n, len(got))
		}
		if item.ArtifactType != ArtifactTypeTree || item.Annotations["davit.driver"] != "local" {
			t.Errorf("item is %+v", item)
		}
		for d, data := range m {
			index, err := DecodeIndex(d, data)
			if err != nil || len(index.Manifests) > maxChildren {
				t.Errorf("index of %d descriptors: %v", len(index.Manifests), err)
			}
		}
	}
}

func TestTreeNestsDeeply(t *testing.T) {
	m := memory{}
	item, err := indexWriter{store: m, maxChildren: 3}.put(t.Context(), someParts(80), ArtifactTypeTree, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := walkAll(t, m, item); len(got) != 80 || got[79].Size != 79 {
		t.Errorf("%d parts", len(got))
	}
}

// Long annotations make indexes of fewer descriptors, never one above the limit.
func TestTreeSplitsByLength(t *testing.T) {
	m := memory{}
	parts := someParts(100)
	for i := range parts {
		parts[i].Annotations = map[string]string{"long": strings.Repeat("x", 100*kib)}
	}
	item, err := BuildTreeItem(t.Context(), m, parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := walkAll(t, m, item); len(got) != 100 {
		t.Errorf("%d parts", len(got))
	}
}

// Hostile indexes end a walk with an error, soon.
func TestWalkPartsHostile(t *testing.T) {
	part := someParts(1)[0]
	index := func(children ...ocispec.Descriptor) string {
		data, err := json.Marshal(ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: children})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(string(data), `"schemaVersion":0`, `"schemaVersion":2`, 1)
	}
	m := memory{}
	deep := m.index(index(part))
	for range maxDepth {
		deep = m.index(index(deep))
	}
	// Few blobs, very many visits.
	wide := m.index(index(slices.Repeat([]ocispec.Descriptor{part}, 3000)...))
	for range maxDepth - 1 {
		wide = m.index(index(slices.Repeat([]ocispec.Descriptor{wide}, 3000)...))
	}
	other := part
	other.MediaType = "text/html"
	negative := part
	negative.Size = -1
	upper := part
	upper.Digest = "sha256:" + ocispec.DescriptorEmptyJSON.Digest[7:15] + "/../../../../../../../../../../../etc/passwd-----------"
	huge := part
	huge.MediaType, huge.Size = ocispec.MediaTypeImageIndex, MaxManifest+1
	for name, item := range map[string]ocispec.Descriptor{
		"too deep":      deep,
		"too many":      wide,
		"media type":    m.index(index(other)),
		"negative size": m.index(index(negative)),
		"digest":        m.index(index(upper)),
		"huge index":    m.index(index(huge)),
		"missing":       m.index(index(ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: part.Digest, Size: 5})),
		"no json":       m.index("x"),
		"two documents": m.index(index(part) + "{}"),
		"no manifests":  m.index(`{"schemaVersion":2}`),
		"schema":        m.index(`{"schemaVersion":1,"manifests":[]}`),
		"a manifest":    m.index(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}`),
	} {
		err := walkParts(t.Context(), m, item, 20_000, func(ocispec.Descriptor) error { return nil })
		var damaged *DamagedError
		if !errors.As(err, &damaged) {
			t.Errorf("%s: WalkParts says %v", name, err)
		}
	}
}

func TestWalkPartsPassesError(t *testing.T) {
	m := memory{}
	item, err := BuildTreeItem(t.Context(), m, someParts(3), nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	visits := 0
	err = WalkParts(t.Context(), m, item, func(ocispec.Descriptor) error { visits++; return stop })
	if !errors.Is(err, stop) || visits != 1 {
		t.Errorf("%v after %d visits", err, visits)
	}
}
