package archive

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/backup/repo"
	"davit/engine/enginetest"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// host is a real engine and how to speak to it.
type host struct {
	*enginetest.Dockerd
	kind   StoreKind
	target Target
}

func startHost(t testing.TB, o enginetest.DockerdOptions) host {
	t.Helper()
	h := host{enginetest.StartDockerd(t, o), Graph, TargetGraph}
	switch {
	case o.ContainerdStore:
		h.kind, h.target = Containerd, TargetContainerd
	case o.Version == "28.5":
		h.target = TargetGraphZstd
	}
	return h
}

func (h host) id(t testing.TB, ref string) string {
	return h.CLI(t, "image", "inspect", "--format", "{{.Id}}", ref)
}

func (h host) tags(t testing.TB, id string) []string {
	tags := strings.Fields(strings.Trim(h.CLI(t, "image", "inspect", "--format", "{{.RepoTags}}", id), "[]"))
	slices.Sort(tags)
	return tags
}

// want asks the engine what davit's inspect of all images would give.
func (h host) want(t testing.TB, refs ...string) []Want {
	var list []Want
	for _, ref := range refs {
		id := h.id(t, ref)
		if !slices.ContainsFunc(list, func(w Want) bool { return w.ID == id }) {
			list = append(list, Want{ID: id, Tags: h.tags(t, id)})
		}
	}
	return list
}

func (h host) options(want []Want) ImportOptions {
	return ImportOptions{Kind: h.kind, Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64"}, Want: want}
}

// save imports the engine's own stream, by image id.
func (h host) save(t testing.TB, s store, want []Want) *ImportResult {
	t.Helper()
	args := []string{"save"}
	for _, w := range want {
		args = append(args, w.ID)
	}
	return load(t, s, []byte(h.CLI(t, args...)), h.options(want))
}

func (h host) load(t testing.TB, s store, items []ImageItem) {
	t.Helper()
	h.CLIInput(t, open(t, s, items, ExportOptions{Target: h.target, Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64"}}), "load")
}

func (h host) makeImages(t testing.TB) []Want {
	h.MakeImage(t, "base:1", enginetest.File{Name: "etc/motd", Content: "hello"})
	h.BuildLayers(t, "app:1", "base:1", "echo one > /one", "rm /one && echo two > /two")
	h.BuildLayers(t, "app:2", "app:1", "echo three > /three")
	h.CLI(t, "tag", "app:1", "registry.example:5000/team/app:stable")
	return h.want(t, "base:1", "app:1", "app:2")
}

// An image with shared layers goes out of a real engine and comes back the
// same: id, tags, files; a second time nothing is written, and what is known
// needs no export.
func TestEngineRoundTrip(t *testing.T) {
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, o)
			want := h.makeImages(t)
			s := newStore(t)
			r := h.save(t, s, want)
			if len(r.Images) != 3 || r.NewLayers != 4 {
				t.Errorf("got %d images with %d new layers, want 3 with 4", len(r.Images), r.NewLayers)
			}
			if again := h.save(t, s, want); again.NewLayers != 0 || again.Images[2].Desc.Digest != r.Images[2].Desc.Digest {
				t.Errorf("a second save wrote %d layers, gave %s", again.NewLayers, again.Images[2].Desc.Digest)
			}
			if h.kind == Graph {
				checkWithoutExport(t, h, s, want, r.Images)
			}
			h.removeImages(t)
			h.load(t, s, r.Images)
			for _, w := range want {
				if got := h.tags(t, w.ID); !slices.Equal(got, w.Tags) {
					t.Errorf("image %s came back with the tags %v, had %v", w.ID, got, w.Tags)
				}
			}
			if got := h.CLI(t, "run", "--rm", "app:2", "sh", "-c", "cat /etc/motd /two /three; ls /one 2>&1 | wc -l"); got != "hellotwo\nthree\n1" {
				t.Errorf("a container says %q", got)
			}
		})
	}
}

// removeImages removes all images, those that a build left between included:
// some go with others, so that asking for them is no error to stop at.
func (h host) removeImages(t testing.TB) {
	t.Helper()
	var err error
	for range 5 {
		ids := strings.Fields(h.CLI(t, "images", "--all", "--quiet", "--no-trunc"))
		if len(ids) == 0 {
			return
		}
		_, err = h.Try(nil, append([]string{"rmi", "--force"}, ids...)...)
	}
	t.Fatalf("images are left: %v", err)
}

func checkWithoutExport(t *testing.T, h host, s store, want []Want, items []ImageItem) {
	t.Helper()
	for i, w := range want {
		config, err := os.ReadFile(filepath.Join(h.DataRoot, "image/overlay2/imagedb/content/sha256", strings.TrimPrefix(w.ID, "sha256:")))
		if err != nil {
			t.Fatal(err)
		}
		item, err := BuildWithoutExport(t.Context(), s, config, w)
		if err != nil || item.Desc.Digest != items[i].Desc.Digest {
			t.Errorf("without an export image %s is %s (%v), with it %s", w.ID, item.Desc.Digest, err, items[i].Desc.Digest)
		}
	}
}

// What one engine saved, every other can load and run.
func TestEngineToEngine(t *testing.T) {
	hosts := map[string]host{}
	for name, o := range enginetest.Kinds() {
		hosts[name] = startHost(t, o)
	}
	s := newStore(t)
	for from, src := range hosts {
		tag := "from:" + strings.ReplaceAll(from, " ", "-")
		src.MakeImage(t, tag+"-base", enginetest.File{Name: "etc/motd", Content: from})
		src.BuildLayers(t, tag, tag+"-base", "echo done > /done")
		items := src.save(t, s, src.want(t, tag)).Images
		for to, dst := range hosts {
			if to == from {
				continue
			}
			dst.load(t, s, items)
			if got := dst.CLI(t, "run", "--rm", tag, "cat", "/etc/motd", "/done"); got != from+"done" {
				t.Errorf("%s to %s: a container says %q", from, to, got)
			}
			if src.kind == dst.kind && dst.id(t, tag) != items[0].ID {
				t.Errorf("%s to %s: the image is %s, was %s", from, to, dst.id(t, tag), items[0].ID)
			}
		}
	}
}

// A damaged repository gives an image to no engine.
func TestEngineRefusesDamage(t *testing.T) {
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, o)
			h.MakeImage(t, "base:1")
			s := newStore(t)
			items := h.save(t, s, h.want(t, "base:1")).Images
			h.CLI(t, "rmi", "base:1")
			damageLargest(t, s)
			stream := open(t, s, items, ExportOptions{Target: h.target})
			out, err := h.Try(stream, "load")
			if err == nil || strings.Contains(out, "Loaded") {
				t.Errorf("load of a damaged image: %v, %s", err, out)
			}
			if left := h.CLI(t, "images", "--all", "--quiet"); left != "" {
				t.Errorf("the engine has the image %s", left)
			}
		})
	}
}

// damageLargest flips a bit in the repository's largest blob.
func damageLargest(t testing.TB, s store) {
	t.Helper()
	files, err := filepath.Glob(s.dir + "/blobs/sha256/*")
	if err != nil {
		t.Fatal(err)
	}
	var largest string
	var data []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > len(data) {
			largest, data = f, b
		}
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(largest, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(largest, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An index with platforms that the engine does not have goes through a real
// containerd store and back with its id.
func TestEngineKeepsIndex(t *testing.T) {
	h := startHost(t, enginetest.DockerdOptions{Version: "28.5", ContainerdStore: true})
	parts, top, other := multi(t, nil)
	h.CLIInput(t, bytes.NewReader(pack(t, parts)), "load")
	want := h.want(t, "m:1")
	if want[0].ID != top.Digest.String() {
		t.Fatalf("the engine has %s, want the index %s", want[0].ID, top.Digest)
	}
	s := newStore(t)
	items := h.save(t, s, want).Images
	if !slices.Equal(items[0].Absent, []string{other.Digest.String()}) {
		t.Errorf("absent: %v, want %s", items[0].Absent, other.Digest)
	}
	h.CLI(t, "rmi", "m:1")
	h.load(t, s, items)
	if got := h.id(t, "m:1"); got != top.Digest.String() {
		t.Errorf("the index %s came back as %s", top.Digest, got)
	}
}

// Others can read the images in a repository: skopeo finds the manifest's
// config and layers, and checks every digest when it copies.
func TestSkopeoReadsRepository(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		if os.Geteuid() != 0 {
			t.Skip("needs skopeo")
		}
		t.Fatal("no skopeo: run scripts/deps.sh test as root")
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(skopeo, args...).Output()
		if err != nil {
			if exit, ok := err.(*exec.ExitError); ok {
				t.Fatalf("skopeo %v: %v: %s", args, err, exit.Stderr)
			}
			t.Fatal(err)
		}
		return string(out)
	}
	a, b := twoImages(t)
	gz, raw := img{tag: "gz:1", layers: a.layers}, img{tag: "raw:1", layers: b.layers}
	s := newStore(t)
	var snap repo.Snapshot
	for _, from := range [][]part{docker20(t, a), containerd(t, gzipped, gz), containerd(t, plain, raw)} {
		for _, i := range load(t, s, pack(t, from), ImportOptions{}).Images {
			snap.Items = append(snap.Items, repo.Item{Kind: repo.KindImage, Name: i.Tags[0], Desc: i.Desc, Annotations: i.Annotations()})
		}
	}
	if _, err := s.Session.Commit(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	for _, i := range []img{a, gz, raw} {
		ref := "oci:" + s.dir + ":" + i.tag
		var seen struct{ Layers []string }
		if err := json.Unmarshal([]byte(run("inspect", ref)), &seen); err != nil {
			t.Fatal(err)
		}
		if len(seen.Layers) != len(i.layers) {
			t.Errorf("%s: skopeo sees the layers %v, want %d", i.tag, seen.Layers, len(i.layers))
		}
		if got := run("inspect", "--config", "--raw", ref); got != string(i.config(t)) {
			t.Errorf("%s: skopeo sees the config %s", i.tag, got)
		}
		run("--insecure-policy", "copy", ref, "dir:"+t.TempDir()+"/copy")
	}
}
