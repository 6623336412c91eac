package transfer

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup"
	"davit/backup/archive"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

// place is a repository, what its host keeps beside it, and what its owner keeps elsewhere.
type place struct {
	dir      string
	identity *age.X25519Identity // nil: it is clear
}

func newPlace(t testing.TB, encrypted bool) *place {
	t.Helper()
	p := &place{dir: t.TempDir()}
	if encrypted {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		p.identity = id
	}
	p.init(t)
	return p
}

func (p *place) init(t testing.TB) {
	t.Helper()
	var made *repo.Repository
	var err error
	if p.identity == nil {
		made, err = repo.Init(p.dir+"/repo", p.options("web1", nil))
	} else {
		made, err = repo.InitEncrypted(p.dir+"/repo", p.options("web1", nil), []repo.KeyHolder{{Name: "owner", Recipient: p.identity.Recipient()}})
	}
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// options are those of a host; each has its own folder of keys.
func (p *place) options(host string, ids []age.Identity) repo.Options {
	return repo.Options{Host: host, HostKeys: p.dir + "/keys-" + host, Identities: func() ([]age.Identity, error) { return ids, nil }}
}

// open opens the repository on a host; with the owner's identity if that is asked for.
func (p *place) open(t testing.TB, host string, owner bool) *repo.Repository {
	t.Helper()
	var ids []age.Identity
	if owner && p.identity != nil {
		ids = append(ids, p.identity)
	}
	r, err := repo.Open(p.dir+"/repo", p.options(host, ids))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// env is a host that looks into the repository.
func (p *place) env(t testing.TB, owner bool) *backup.Env {
	return &backup.Env{
		Repo: p.open(t, "web1", owner), Host: "web1", Version: "test", StateDir: p.dir + "/state", CacheDir: p.dir + "/cache",
		Now: time.Now, Rand: rand.Reader,
	}
}

// save makes a snapshot of a folder.
func (p *place) save(t testing.TB, src string) string {
	t.Helper()
	plan, err := backup.PlanCreate(t.Context(), p.env(t, false), backup.CreateOptions{Selection: backup.Selection{Paths: []string{src}}, Job: "nightly"})
	if err != nil {
		t.Fatal(err)
	}
	report, err := backup.ApplyCreate(t.Context(), p.env(t, false), plan)
	if err != nil {
		t.Fatal(err)
	}
	return report.Snapshot
}

// restored is what a snapshot restores to.
func (p *place) restored(t testing.TB, spec string) enginetest.Tree {
	t.Helper()
	tree, err := restoredBy(t, p.env(t, true), spec)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// restoredBy is what a snapshot of one folder restores to.
func restoredBy(t testing.TB, env *backup.Env, spec string) (enginetest.Tree, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	plan, err := backup.PlanRestore(t.Context(), env, backup.RestoreOptions{Spec: spec, To: dir})
	if err == nil {
		_, err = backup.ApplyRestore(t.Context(), env, plan)
	}
	if err != nil {
		return enginetest.Tree{}, fmt.Errorf("restore %s: %w", spec, err)
	}
	defer os.RemoveAll(dir)
	found, err := filepath.Glob(dir + "/path/*")
	if err != nil || len(found) != 1 {
		return enginetest.Tree{}, fmt.Errorf("restored %q, %w", found, err)
	}
	return enginetest.DescribeTree(found[0])
}

func describe(t testing.TB, dir string) enginetest.Tree {
	t.Helper()
	tree, err := enginetest.DescribeTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// whole verifies every byte of the repository.
func (p *place) whole(t testing.TB, snapshots int) {
	t.Helper()
	report, err := backup.Verify(t.Context(), p.env(t, true), backup.VerifyOptions{ReadData: true})
	if err != nil || report.Err() != nil || report.Snapshots != snapshots {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

// copyTo copies with an identity for both on a host that has no key for either.
func copyTo(t testing.TB, from, to *place, change func(*Options)) (*Report, error) {
	t.Helper()
	o := Options{From: from.open(t, "nas", true), To: to.open(t, "nas", true), Self: "nas", AllowPlaintext: true}
	if change != nil {
		change(&o)
	}
	plan, err := NewPlan(t.Context(), o)
	if err != nil {
		return nil, err
	}
	return Apply(t.Context(), Env{Now: time.Now}, plan)
}

func mustCopy(t testing.TB, from, to *place, change func(*Options)) *Report {
	t.Helper()
	report, err := copyTo(t, from, to, change)
	if err != nil {
		t.Fatalf("copy: %v: %+v", err, report)
	}
	return report
}

// newTree makes a folder with small files, links, and a file of many chunks.
func newTree(t testing.TB) string {
	t.Helper()
	src := t.TempDir()
	for i := range 150 {
		write(t, fmt.Sprintf("%s/dir%d/file %d", src, i%9, i), strings.Repeat(fmt.Sprintf("line %d of it\n", i), 400))
	}
	big := make([]byte, 12<<20)
	noise := mathrand.NewChaCha8([32]byte{7})
	for i := range 12 {
		_, _ = noise.Read(big[i<<20 : i<<20+1<<19])
	}
	write(t, src+"/big", string(big))
	for _, link := range []func() error{
		func() error { return os.Link(src+"/big", src+"/dir1/hard") },
		func() error { return os.Symlink("dir1/hard", src+"/soft") },
		func() error { return os.Chmod(src+"/dir3", 0o751) },
	} {
		if err := link(); err != nil {
			t.Fatal(err)
		}
	}
	return src
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// saveImages makes a snapshot of three images and a definition: one of a graph driver, whose layers davit compresses; one of
// a containerd store with a gzip layer, which is kept; one with an uncompressed layer, which is wrapped.
func (p *place) saveImages(t testing.TB) {
	t.Helper()
	r := p.open(t, "web1", false)
	s, err := r.Begin(t.Context(), repo.SessionInfo{Job: "images"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	layers := [][]byte{tarOf(t, "bin/app", strings.Repeat("program ", 300_000)), tarOf(t, "etc/app", "settings")}
	var items []repo.Item
	for name, save := range map[string][]byte{
		"graph:1": dockerSave(t, "graph:1", layers), "kept:1": ociSave(t, "kept:1", layers, true), "wrapped:1": ociSave(t, "wrapped:1", layers, false),
	} {
		kind := archive.Containerd
		if name == "graph:1" {
			kind = archive.Graph
		}
		store := s.NewItemStore()
		result, err := archive.Import(t.Context(), store, bytes.NewReader(save), archive.ImportOptions{Kind: kind})
		if err != nil || len(result.Images) != 1 {
			t.Fatalf("import %s: %+v, %v", name, result, err)
		}
		img := result.Images[0]
		desc, err := store.Seal(t.Context(), img.Desc)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, repo.Item{Kind: repo.KindImage, Name: name, Desc: desc, Annotations: img.Annotations()})
	}
	items = append(items, p.definition(t, s))
	if _, err := s.Commit(t.Context(), repo.Snapshot{Complete: true, Items: items}); err != nil {
		t.Fatal(err)
	}
}

func (p *place) definition(t testing.TB, s *repo.Session) repo.Item {
	t.Helper()
	store := s.NewItemStore()
	doc := []byte(`{"Id":"1","Name":"/web"}`)
	layer, err := store.PutBlob(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	empty := ocispec.DescriptorEmptyJSON
	if _, err := store.PutBlob(t.Context(), empty.Data); err != nil {
		t.Fatal(err)
	}
	m, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.davit.definition.v1",
		Config: empty, Layers: []ocispec.Descriptor{{MediaType: "application/vnd.davit.inspect.v1+json", Digest: layer.OCI(), Size: int64(len(doc))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := store.PutBlob(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := store.Seal(t.Context(), ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d.OCI(), Size: int64(len(m))})
	if err != nil {
		t.Fatal(err)
	}
	return repo.Item{Kind: repo.KindContainer, Name: "web", Desc: desc, Annotations: map[string]string{}}
}

// images exports every image of the newest snapshot of job images, for an engine of the kind that it came from.
func (p *place) images(t testing.TB) map[string]string {
	t.Helper()
	r := p.open(t, "web1", true)
	snap, err := r.Find(t.Context(), "latest", repo.Query{Job: "images"})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, it := range snap.Items {
		if it.Kind != repo.KindImage {
			continue
		}
		items := r.NewItemReader()
		desc, err := items.Open(t.Context(), it.Desc)
		if err != nil {
			t.Fatal(err)
		}
		img, err := archive.ParseItem(desc, it.Annotations)
		if err != nil {
			t.Fatal(err)
		}
		all[it.Name] = img.ID + " " + fmt.Sprint(repo.DigestOf(exported(t, items, img)))
	}
	return all
}

func exported(t testing.TB, items *repo.ItemReader, img archive.ImageItem) []byte {
	t.Helper()
	target := archive.TargetGraph
	if img.Kind == archive.Containerd {
		target = archive.TargetContainerd
	}
	stream, err := archive.Export(t.Context(), items, []archive.ExportImage{{Desc: img.Desc, Tags: img.Tags, Absent: img.Absent}}, archive.ExportOptions{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	data, err := io.ReadAll(stream)
	if err != nil {
		t.Fatalf("export %s: %v", img.ID, err)
	}
	return data
}

func tarOf(t testing.TB, name, content string) []byte {
	t.Helper()
	return tarball(t, map[string][]byte{name: []byte(content)}, name)
}

func tarball(t testing.TB, files map[string][]byte, order ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range order {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(files[name])), Mode: 0o644})
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func configOf(t testing.TB, layers [][]byte) []byte {
	t.Helper()
	diffs := []string{}
	for _, l := range layers {
		diffs = append(diffs, repo.DigestOf(l).String())
	}
	return marshal(t, map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": diffs}})
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// dockerSave is what an engine with a graph driver saves.
func dockerSave(t testing.TB, tag string, layers [][]byte) []byte {
	t.Helper()
	config := configOf(t, layers)
	files := map[string][]byte{}
	var order, names []string
	add := func(name string, data []byte) {
		files[name] = data
		order = append(order, name)
	}
	for i, l := range layers {
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		add(names[i], l)
	}
	name := repo.DigestOf(config).Hex() + ".json"
	add(name, config)
	add("manifest.json", marshal(t, []map[string]any{{"Config": name, "RepoTags": []string{tag}, "Layers": names}}))
	return tarball(t, files, order...)
}

// ociSave is what an engine with a containerd store saves.
func ociSave(t testing.TB, tag string, layers [][]byte, packed bool) []byte {
	t.Helper()
	files := map[string][]byte{}
	var order []string
	blob := func(mediaType string, data []byte) ocispec.Descriptor {
		d := repo.DigestOf(data)
		name := "blobs/sha256/" + d.Hex()
		if files[name] == nil {
			order = append(order, name)
		}
		files[name] = data
		return ocispec.Descriptor{MediaType: mediaType, Digest: d.OCI(), Size: int64(len(data))}
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: blob(ocispec.MediaTypeImageConfig, configOf(t, layers))}
	for _, l := range layers {
		mediaType := ocispec.MediaTypeImageLayer
		if packed {
			var buf bytes.Buffer
			w := gzip.NewWriter(&buf)
			if _, err := w.Write(l); err != nil || w.Close() != nil {
				t.Fatal("gzip")
			}
			l, mediaType = buf.Bytes(), ocispec.MediaTypeImageLayerGzip
		}
		m.Layers = append(m.Layers, blob(mediaType, l))
	}
	top := blob(ocispec.MediaTypeImageManifest, marshal(t, m))
	top.Annotations = map[string]string{"io.containerd.image.name": "docker.io/library/" + tag}
	files["index.json"] = marshal(t, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{top}})
	files["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	return tarball(t, files, append(order, "oci-layout", "index.json")...)
}
