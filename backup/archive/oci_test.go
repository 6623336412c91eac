package archive

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"davit/backup/repo"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// multi makes an image for two platforms with an attestation, of which keep
// says what is in the archive.
func multi(t testing.TB, keep func(o *ociParts, mine, other, attested ocispec.Descriptor)) (parts []part, top, absent ocispec.Descriptor) {
	oci := newOCIParts()
	mine := oci.image(t, img{tag: "m:1", layers: [][]byte{layer(t, "f", "amd64")}}, gzipped)
	mine.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	there := len(oci.parts)
	other := oci.image(t, img{tag: "m:1", arch: "arm64", layers: [][]byte{layer(t, "f", "arm64")}}, gzipped)
	other.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	oci.parts = oci.parts[:there]
	statement := []byte(`{"_type":"https://in-toto.io/Statement/v0.1","predicate":{}}`)
	attested := oci.attestation(t, statement)
	top = oci.index(t, mine, other, attested)
	top.Annotations = map[string]string{annotationContainerdName: "docker.io/library/m:1"}
	oci.tops = append(oci.tops, top)
	if keep != nil {
		keep(oci, mine, other, attested)
	}
	return oci.finish(t), top, other
}

func (o *ociParts) attestation(t testing.TB, statement []byte) ocispec.Descriptor {
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	m.SchemaVersion = 2
	m.Layers = append(m.Layers, o.blob("application/vnd.in-toto+json", statement))
	m.Config = o.blob(ocispec.MediaTypeImageConfig, []byte(`{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":["`+
		repo.DigestOf(statement).String()+`"]}}`))
	desc := o.blob(m.MediaType, marshal(t, m))
	desc.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	return desc
}

// An image of a containerd store with several platforms keeps its index byte
// for byte, and what the engine did not have of it is recorded, not missed.
func TestImportPartsOfAnIndex(t *testing.T) {
	parts, top, other := multi(t, nil)
	s := newStore(t)
	r := load(t, s, pack(t, parts), ImportOptions{Kind: Containerd, Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64"}})
	item := r.Images[0]
	if item.ID != top.Digest.String() || item.Desc.Digest != top.Digest || item.Tags[0] != "m:1" {
		t.Errorf("got %+v, want %s", item, top.Digest)
	}
	if !slices.Equal(item.Absent, []string{other.Digest.String()}) {
		t.Errorf("absent: %v, want %s", item.Absent, other.Digest)
	}
	back, err := ParseItem(item.Desc, item.Annotations())
	if err != nil || back.ID != item.ID || !slices.Equal(back.Absent, item.Absent) || !slices.Equal(back.Tags, item.Tags) || back.Kind != item.Kind {
		t.Errorf("annotations gave %+v, %v", back, err)
	}
	for _, p := range parts {
		if hex, ok := strings.CutPrefix(p.name, blobDir); ok {
			if _, there, err := s.HasFile(t.Context(), repo.DigestOf(p.data)); err != nil || !there {
				t.Errorf("blob %s of the archive is not in the repository", hex)
			}
		}
	}
}

// The engine's own platform must be there.
func TestImportLacksOwnPlatform(t *testing.T) {
	parts, _, _ := multi(t, nil)
	_, err := Import(t.Context(), newStore(t), bytes.NewReader(pack(t, parts)), ImportOptions{Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}})
	if err == nil || !strings.Contains(err.Error(), "import image m:1: linux/arm64") {
		t.Errorf("got %v", err)
	}
}

// What goes out and comes in again is the same image: the same id within one
// kind of store, in all forms that layers can have, and with the tags.
func TestRoundTrip(t *testing.T) {
	a, b := twoImages(t)
	platforms, _, _ := multi(t, nil)
	tests := map[string]struct {
		parts  []part
		target Target
	}{
		"20.10":                {docker20(t, a, b), TargetGraph},
		"20.10 to 25":          {docker20(t, a, b), TargetGraphZstd},
		"25":                   {mixed25(t, a, b), TargetGraphZstd},
		"25 to 20.10":          {mixed25(t, a, b), TargetGraph},
		"containerd gzip":      {containerd(t, gzipped, a, b), TargetContainerd},
		"containerd zstd":      {containerd(t, zstandard, a, b), TargetContainerd},
		"containerd plain":     {containerd(t, plain, a, b), TargetContainerd},
		"containerd platforms": {platforms, TargetContainerd},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			kind := Graph
			if test.target == TargetContainerd {
				kind = Containerd
			}
			s := newStore(t)
			first := load(t, s, pack(t, test.parts), ImportOptions{Kind: kind})
			archive := export(t, s, first.Images, ExportOptions{Target: test.target})
			second := load(t, newStore(t), archive, ImportOptions{Kind: kind})
			if len(second.Images) != len(first.Images) {
				t.Fatalf("%d images became %d", len(first.Images), len(second.Images))
			}
			for i, want := range first.Images {
				got := second.Images[i]
				if got.ID != want.ID || !slices.Equal(got.Tags, want.Tags) || got.Platform != want.Platform {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
		})
	}
}

// An image that was taken from one kind of store can be sent to the other:
// its config stays byte for byte.
func TestFromOneKindToTheOther(t *testing.T) {
	a, b := twoImages(t)
	for name, parts := range map[string][]part{
		"gzip": containerd(t, gzipped, a, b), "zstd": containerd(t, zstandard, a, b), "plain": containerd(t, plain, a, b),
	} {
		for _, target := range []Target{TargetGraph, TargetGraphZstd} {
			s := newStore(t)
			from := load(t, s, pack(t, parts), ImportOptions{Kind: Containerd})
			to := load(t, newStore(t), export(t, s, from.Images, ExportOptions{Target: target}), ImportOptions{Kind: Graph})
			if to.Images[0].ID != a.id(t) || to.Images[1].ID != b.id(t) {
				t.Errorf("containerd %s to graph: got %+v", name, to.Images)
			}
		}
	}
	s := newStore(t)
	from := load(t, s, pack(t, docker20(t, a, b)), ImportOptions{Kind: Graph})
	to := load(t, newStore(t), export(t, s, from.Images, ExportOptions{Target: TargetContainerd}), ImportOptions{Kind: Containerd})
	if to.Images[0].ID != from.Images[0].Desc.Digest.String() || to.Images[1].Tags[0] != "app:2" {
		t.Errorf("graph to containerd: got %+v", to.Images)
	}
}

// The stored form of an image with uncompressed layers can be read by anybody:
// an index with one image whose layers are compressed.
func TestUncompressedLayersAreWrapped(t *testing.T) {
	a, _ := twoImages(t)
	s := newStore(t)
	item := load(t, s, pack(t, containerd(t, plain, a)), ImportOptions{Kind: Containerd}).Images[0]
	var index ocispec.Index
	if err := json.Unmarshal(blobOf(t, s, item.Desc), &index); err != nil {
		t.Fatal(err)
	}
	if index.Annotations[AnnotationOriginal] != item.ID || len(index.Manifests) != 2 || index.Manifests[0].Platform == nil {
		t.Fatalf("got %+v", index)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(blobOf(t, s, index.Manifests[0]), &m); err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Layers {
		if l.MediaType != ocispec.MediaTypeImageLayerZstd {
			t.Errorf("layer has the media type %s", l.MediaType)
		}
		blobOf(t, s, l)
	}
	if repo.DigestOf(blobOf(t, s, index.Manifests[1])).String() != item.ID {
		t.Error("the original manifest is not there")
	}
}
