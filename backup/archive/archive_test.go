package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"davit/backup/repo"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// store is a repository with a session that writes to it.
type store struct {
	*repo.Repository
	*repo.Session
	dir string
}

func newStore(t testing.TB) store {
	t.Helper()
	dir := t.TempDir() + "/repo"
	r, err := repo.Init(dir, repo.Options{Now: time.Now, Rand: rand.NewChaCha8([32]byte{1}), Host: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Begin(t.Context(), repo.SessionInfo{Host: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return store{r, s, dir}
}

// part is one entry of an archive that a test makes.
type part struct {
	name string
	data []byte
	link string // makes it a symlink
}

func pack(t testing.TB, parts []part) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, p := range parts {
		hdr := &tar.Header{Typeflag: tar.TypeReg, Name: p.name, Size: int64(len(p.data)), Mode: 0o644}
		if p.link != "" {
			hdr = &tar.Header{Typeflag: tar.TypeSymlink, Name: p.name, Linkname: p.link, Mode: 0o777}
		}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(p.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// layer is the tar of one layer, with a file of the given name and content.
func layer(t testing.TB, name, content string) []byte {
	return pack(t, []part{{name: name, data: []byte(content)}})
}

// img is an image that a test makes; its config is made of its layers.
type img struct {
	tag    string
	arch   string
	layers [][]byte // uncompressed
}

func (i img) config(t testing.TB) []byte {
	diffs := []string{}
	for _, l := range i.layers {
		diffs = append(diffs, repo.DigestOf(l).String())
	}
	arch := i.arch
	if arch == "" {
		arch = "amd64"
	}
	return marshal(t, map[string]any{
		"architecture": arch, "os": "linux",
		"config": map[string]any{"Cmd": []string{"/bin/" + i.tag}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
}

func (i img) id(t testing.TB) string { return repo.DigestOf(i.config(t)).String() }

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// docker20 is what "save" of an engine 20.10 writes: a layer that an earlier
// image has is a symlink.
func docker20(t testing.TB, images ...img) []part {
	var parts []part
	var table []dockerEntry
	seen := map[string]string{}
	for _, i := range images {
		cfg := i.config(t)
		e := dockerEntry{Config: repo.DigestOf(cfg).Hex() + ".json", RepoTags: []string{i.tag}}
		for n, l := range i.layers {
			id := repo.DigestOf(append([]byte(i.tag), byte(n))).Hex()
			parts = append(parts, part{name: id + "/VERSION", data: []byte("1.0")}, part{name: id + "/json", data: []byte("{}")})
			p := part{name: id + "/layer.tar", data: l}
			if first := seen[string(l)]; first != "" {
				p = part{name: p.name, link: "../" + first + "/layer.tar"}
			} else {
				seen[string(l)] = id
			}
			parts = append(parts, p)
			e.Layers = append(e.Layers, p.name)
		}
		parts = append(parts, part{name: e.Config, data: cfg})
		table = append(table, e)
	}
	return append(parts, part{name: "manifest.json", data: marshal(t, table)}, part{name: "repositories", data: []byte("{}")})
}

// mixed25 is what an engine from 25 with a graph store writes.
func mixed25(t testing.TB, images ...img) []part {
	oci := newOCIParts()
	var table []dockerEntry
	for _, i := range images {
		m := oci.image(t, i, plain)
		m.Annotations = map[string]string{annotationContainerdName: "docker.io/library/" + i.tag}
		oci.tops = append(oci.tops, m)
		e := dockerEntry{Config: blobDir + repo.DigestOf(i.config(t)).Hex(), RepoTags: []string{i.tag}}
		for _, l := range i.layers {
			e.Layers = append(e.Layers, blobDir+repo.DigestOf(l).Hex())
		}
		table = append(table, e)
	}
	return append(oci.finish(t), part{name: "manifest.json", data: marshal(t, table)}, part{name: "repositories", data: []byte("{}")})
}

// containerd is what an engine with the containerd store writes.
func containerd(t testing.TB, packed compression, images ...img) []part {
	oci := newOCIParts()
	for _, i := range images {
		m := oci.image(t, i, packed)
		m.Annotations = map[string]string{annotationContainerdName: "docker.io/library/" + i.tag}
		oci.tops = append(oci.tops, m)
	}
	return oci.finish(t)
}

// ociParts collects an OCI layout.
type ociParts struct {
	parts []part
	seen  map[string]bool
	tops  []ocispec.Descriptor
}

func newOCIParts() *ociParts { return &ociParts{seen: map[string]bool{}} }

func (o *ociParts) blob(mediaType string, data []byte) ocispec.Descriptor {
	d := repo.DigestOf(data)
	if !o.seen[d.Hex()] {
		o.seen[d.Hex()] = true
		o.parts = append(o.parts, part{name: blobDir + d.Hex(), data: data})
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d.OCI(), Size: int64(len(data))}
}

func (o *ociParts) image(t testing.TB, i img, packed compression) ocispec.Descriptor {
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for _, l := range i.layers {
		mediaType := ocispec.MediaTypeImageLayer
		switch packed {
		case gzipped:
			mediaType = ocispec.MediaTypeImageLayerGzip
		case zstandard:
			mediaType = ocispec.MediaTypeImageLayerZstd
		}
		m.Layers = append(m.Layers, o.blob(mediaType, compress(t, packed, l)))
	}
	cfg := i.config(t)
	m.Config = o.blob(ocispec.MediaTypeImageConfig, cfg)
	return o.blob(m.MediaType, marshal(t, m))
}

func (o *ociParts) index(t testing.TB, children ...ocispec.Descriptor) ocispec.Descriptor {
	return o.blob(ocispec.MediaTypeImageIndex, marshal(t, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: children,
	}))
}

func (o *ociParts) finish(t testing.TB) []part {
	index := marshal(t, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: o.tops})
	return append(o.parts, part{name: "index.json", data: index}, part{name: "oci-layout", data: []byte(`{"imageLayoutVersion":"1.0.0"}`)})
}

func compress(t testing.TB, c compression, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch c {
	case plain:
		return data
	case gzipped:
		w = gzip.NewWriter(&buf)
	case zstandard:
		zw, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w = zw
	default:
		t.Fatalf("no writer for %s", c)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// load imports an archive that must be good.
func load(t testing.TB, s store, archive []byte, o ImportOptions) *ImportResult {
	t.Helper()
	r, err := Import(context.Background(), s, bytes.NewReader(archive), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// blobOf reads a blob of the repository.
func blobOf(t testing.TB, s store, d ocispec.Descriptor) []byte {
	t.Helper()
	digest, err := repo.ParseDigest(d.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.ReadBlob(t.Context(), digest, d.Size, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
