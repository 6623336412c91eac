package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"davit/backup/repo"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func twoImages(t testing.TB) (a, b img) {
	base := layer(t, "bin/sh", strings.Repeat("shell", 3000))
	a = img{tag: "app:1", layers: [][]byte{base, layer(t, "a", "one")}}
	b = img{tag: "app:2", layers: [][]byte{base, layer(t, "b", "two"), layer(t, "{", "three")}}
	return a, b
}

// An image of a graph store comes out with its config byte for byte, and with
// layers that are the originals once uncompressed; what two share is there once.
func TestImportFromGraphStore(t *testing.T) {
	a, b := twoImages(t)
	for name, parts := range map[string][]part{"20.10": docker20(t, a, b), "25": mixed25(t, a, b)} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			r := load(t, s, pack(t, parts), ImportOptions{})
			if len(r.Images) != 2 || r.NewLayers != 4 {
				t.Fatalf("got %d images and %d new layers, want 2 and 4", len(r.Images), r.NewLayers)
			}
			for i, want := range []img{a, b} {
				checkGraphItem(t, s, r.Images[i], want)
			}
			again := load(t, s, pack(t, parts), ImportOptions{Kind: Graph})
			if again.NewLayers != 0 || again.Images[0].Desc.Digest != r.Images[0].Desc.Digest {
				t.Errorf("second import wrote %d layers and gave %s, first %s", again.NewLayers, again.Images[0].Desc.Digest, r.Images[0].Desc.Digest)
			}
		})
	}
}

func checkGraphItem(t *testing.T, s store, item ImageItem, want img) {
	t.Helper()
	if item.ID != want.id(t) || !slices.Equal(item.Tags, []string{want.tag}) || item.Kind != Graph || item.Platform != "linux/amd64" {
		t.Errorf("got %+v, want image %s %s", item, want.tag, want.id(t))
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(blobOf(t, s, item.Desc), &m); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(blobOf(t, s, m.Config), want.config(t)) {
		t.Error("the config is not byte for byte")
	}
	if len(m.Layers) != len(want.layers) {
		t.Fatalf("got %d layers, want %d", len(m.Layers), len(want.layers))
	}
	for i, l := range m.Layers {
		dec, err := decompress(bytes.NewReader(blobOf(t, s, l)), zstandard, maxLayer)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(dec)
		if err != nil || !bytes.Equal(plain, want.layers[i]) {
			t.Errorf("layer %d differs (%v)", i, err)
		}
		if l.Annotations[AnnotationID] != repo.DigestOf(want.layers[i]).Hex() || l.MediaType != ocispec.MediaTypeImageLayerZstd {
			t.Errorf("layer %d has the descriptor %+v", i, l)
		}
	}
}

// Only what is wanted is taken, with the tags that the caller knows; what is
// wanted and not there is an error that names it, beside the images that are.
func TestImportWant(t *testing.T) {
	a, b := twoImages(t)
	s := newStore(t)
	r, err := Import(t.Context(), s, bytes.NewReader(pack(t, docker20(t, a, b))), ImportOptions{Want: []Want{
		{ID: b.id(t), Tags: []string{"x:1", "y:1"}, RepoDigests: []string{"x@sha256:0"}},
		{ID: "sha256:absent", Tags: []string{"gone:1"}},
	}})
	var missing *ImageError
	if !errors.As(err, &missing) || missing.Image != "gone:1" {
		t.Errorf("got error %v, want one that names gone:1", err)
	}
	if len(r.Images) != 1 || r.Images[0].ID != b.id(t) || !slices.Equal(r.Images[0].Tags, []string{"x:1", "y:1"}) || r.Images[0].RepoDigests == nil {
		t.Errorf("got %+v", r.Images)
	}
}

// A stream that stops anywhere is an error, whatever it had given before.
func TestImportCutShort(t *testing.T) {
	a, _ := twoImages(t)
	s := newStore(t)
	for name, whole := range map[string][]byte{
		"20.10": pack(t, docker20(t, a)), "25": pack(t, mixed25(t, a)), "containerd": pack(t, containerd(t, gzipped, a)),
	} {
		for n := 0; n < len(whole); n += 256 {
			r, err := Import(t.Context(), s, bytes.NewReader(whole[:n]), ImportOptions{})
			if err == nil || r != nil {
				t.Fatalf("%s: cut at %d of %d bytes: no error", name, n, len(whole))
			}
		}
	}
}

// An engine's error anywhere in the stream is found and given in its words.
func TestImportEngineError(t *testing.T) {
	a, _ := twoImages(t)
	s := newStore(t)
	whole := pack(t, docker20(t, a))
	for _, text := range []string{
		`{"message":"file integrity checksum failed"}` + "\n",
		`{"errorDetail":{"message":"file integrity checksum failed"},"error":"x"}` + "\r\n",
	} {
		for _, n := range []int{0, 512, 700, 4096, len(whole) - 1024, len(whole) - 512, len(whole)} {
			for name, r := range map[string]io.Reader{
				"large reads": bytes.NewReader(append(bytes.Clone(whole[:n]), text...)),
				"small reads": &slow{bytes.NewReader(append(bytes.Clone(whole[:n]), text...))},
			} {
				_, err := Import(t.Context(), s, r, ImportOptions{})
				var engine *EngineError
				if !errors.As(err, &engine) || engine.Text != "file integrity checksum failed" {
					t.Errorf("error after %d bytes, %s: got %v", n, name, err)
				}
			}
		}
	}
}

// slow reads like a network: a little at a time.
type slow struct{ io.Reader }

func (s *slow) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(len(p), 100)]) }

// Padding after the end, as other tars write it, is no error.
func TestImportPadding(t *testing.T) {
	a, _ := twoImages(t)
	whole := append(pack(t, docker20(t, a)), make([]byte, 9*1024)...)
	load(t, newStore(t), whole, ImportOptions{})
}

// Damaged and hostile archives give an error that says which image, or which
// entry, and no image.
func TestImportRefuses(t *testing.T) {
	a, _ := twoImages(t)
	other := layer(t, "other", "other")
	tests := map[string]struct {
		parts []part
		want  string
	}{
		"20.10 wrong layer":     {change(docker20(t, a), a.layers[1], other), "import image app:1: layer 2"},
		"20.10 missing layer":   {drop(docker20(t, a), a.layers[1]), "import image app:1: layer 2"},
		"20.10 missing config":  {drop(docker20(t, a), a.config(t)), "import image app:1: config"},
		"20.10 wrong config":    {change(docker20(t, a), a.config(t), img{tag: "z", layers: a.layers}.config(t)), "import image app:1: config"},
		"25 wrong layer":        {change(mixed25(t, a), a.layers[1], other), "import image app:1: layer 2"},
		"25 missing layer":      {drop(mixed25(t, a), a.layers[0]), "import image app:1: layer 1"},
		"25 missing config":     {drop(mixed25(t, a), a.config(t)), "import image app:1: config"},
		"25 wrong config":       {change(mixed25(t, a), a.config(t), []byte(`{"rootfs":{}}`)), "import image app:1: config"},
		"oci wrong layer":       {change(containerd(t, gzipped, a), compress(t, gzipped, a.layers[1]), compress(t, gzipped, other)), "import image app:1"},
		"oci missing layer":     {drop(containerd(t, gzipped, a), compress(t, gzipped, a.layers[1])), "import image app:1"},
		"oci missing config":    {drop(containerd(t, gzipped, a), a.config(t)), "import image app:1"},
		"oci layer no gzip":     {containerdWith(t, a, compress(t, gzipped, a.layers[0])[:60]), "import image app:1"},
		"oci layer of other id": {containerdWith(t, a, compress(t, gzipped, other)), "import image app:1"},
		"oci no JSON manifest":  {append(newOCIParts().finish(t)[1:], part{name: "index.json", data: []byte("{")}), "index.json"},
		"absolute name":         {append(docker20(t, a), part{name: "/etc/passwd", data: other}), "leaves the archive"},
		"name leads out":        {append(docker20(t, a), part{name: "x/../../layer.tar", data: other}), "leaves the archive"},
		"entry twice":           {append(docker20(t, a), part{name: "manifest.json", data: []byte("[]")}), "twice"},
		"no table":              {[]part{{name: "x/layer.tar", data: other}}, "index.json"},
		"link leads out":        {linked(t, a, "../../../etc/passwd"), "out of the archive"},
		"link to itself":        {linked(t, a, "layer.tar"), "too many links"},
		"huge manifest.json":    {[]part{{name: "manifest.json", data: bytes.Repeat([]byte(" "), maxConfig+1)}}, "more than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := Import(t.Context(), newStore(t), bytes.NewReader(pack(t, test.parts)), ImportOptions{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if r != nil && len(r.Images) != 0 {
				t.Errorf("got the image %+v", r.Images[0])
			}
		})
	}
}

func change(parts []part, from, to []byte) []part {
	for i := range parts {
		if bytes.Equal(parts[i].data, from) {
			parts[i].data = to
		}
	}
	return parts
}

func drop(parts []part, data []byte) []part {
	return slices.DeleteFunc(parts, func(p part) bool { return bytes.Equal(p.data, data) })
}

// linked makes the second layer a link to somewhere.
func linked(t testing.TB, i img, to string) []part {
	parts := docker20(t, i)
	for n := range parts {
		if bytes.Equal(parts[n].data, i.layers[1]) {
			parts[n].data, parts[n].link = nil, to
		}
	}
	return parts
}

// containerdWith makes an image whose first layer is what is given, with all
// digests of the layout right.
func containerdWith(t testing.TB, i img, first []byte) []part {
	oci := newOCIParts()
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	m.SchemaVersion = 2
	m.Layers = append(m.Layers, oci.blob(ocispec.MediaTypeImageLayerGzip, first))
	for _, l := range i.layers[1:] {
		m.Layers = append(m.Layers, oci.blob(ocispec.MediaTypeImageLayerGzip, compress(t, gzipped, l)))
	}
	m.Config = oci.blob(ocispec.MediaTypeImageConfig, i.config(t))
	top := oci.blob(m.MediaType, marshal(t, m))
	top.Annotations = map[string]string{annotationContainerdName: "docker.io/library/" + i.tag}
	oci.tops = append(oci.tops, top)
	return oci.finish(t)
}

// An image of which the config is known is made of the layers that are there,
// and is the same as if it had been exported.
func TestBuildWithoutExport(t *testing.T) {
	a, b := twoImages(t)
	s := newStore(t)
	want := load(t, s, pack(t, docker20(t, a)), ImportOptions{}).Images[0]
	got, err := BuildWithoutExport(t.Context(), s, a.config(t), Want{ID: a.id(t), Tags: []string{"app:1"}})
	if err != nil || got.Desc.Digest != want.Desc.Digest || got.Platform != want.Platform || got.ID != want.ID {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	_, err = BuildWithoutExport(t.Context(), s, b.config(t), Want{ID: b.id(t)})
	var missing *MissingLayerError
	if !errors.As(err, &missing) || missing.DiffID != repo.ID(repo.DigestOf(b.layers[1])) {
		t.Errorf("with an unknown layer: got %v", err)
	}
	if _, err := BuildWithoutExport(t.Context(), s, a.config(t), Want{ID: b.id(t)}); err == nil {
		t.Error("a config that is not the image's was taken")
	}
}

// What is not stored leaves nothing half-written beside the blobs.
func TestImportLeavesNoTemporaryFiles(t *testing.T) {
	a, _ := twoImages(t)
	s := newStore(t)
	whole := pack(t, docker20(t, a))
	if _, err := Import(t.Context(), s, bytes.NewReader(whole[:len(whole)/2]), ImportOptions{}); err == nil {
		t.Fatal("no error")
	}
	entries, err := os.ReadDir(s.dir + "/blobs/sha256")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := repo.ParseDigest("sha256:" + e.Name()); err != nil {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}
