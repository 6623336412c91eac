package repo

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// putImage stores an image of one layer as archive would: all bytes as they are.
func putImage(t *testing.T, s *Session, name string) (item Item, diffID string) {
	t.Helper()
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: 5}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "world"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	diffID = DigestOf(plain.Bytes()).String()
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	config := `{"architecture":"amd64","os":"linux","config":{"Labels":{"made":"here"}},"rootfs":{"type":"layers","diff_ids":["` + diffID + `"]}}`
	manifest, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: putDocument(t, s, ocispec.MediaTypeImageConfig, []byte(config)),
		Layers: []ocispec.Descriptor{putDocument(t, s, ocispec.MediaTypeImageLayerGzip, packed.Bytes())},
	})
	if err != nil {
		t.Fatal(err)
	}
	return Item{Kind: KindImage, Name: name, Desc: putDocument(t, s, ocispec.MediaTypeImageManifest, manifest)}, diffID
}

func putDocument(t *testing.T, s *Session, mediaType string, data []byte) ocispec.Descriptor {
	t.Helper()
	d, err := s.PutBlob(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d.OCI(), Size: int64(len(data))}
}

// Others open an image in the repository by its tag, and copy it out whole.
func TestSkopeoOpensImage(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed")
	}
	r := newRepo(t)
	s := begin(t, r)
	item, diffID := putImage(t, s, "registry.local:5000/team/app:1")
	tagged, _ := putImage(t, s, "app:1")
	snap := commit(t, s, Snapshot{Complete: true, Items: []Item{item, tagged, putItem(t, s, KindVolume, "pgdata", "1")}})
	for _, name := range []string{"app:1", "registry.local:5000/team/app:1", "image/app:1", snap.ID + "/image/app:1"} {
		out, err := exec.Command(skopeo, "inspect", "oci:"+r.Dir()+":"+name).Output()
		if err != nil || !strings.Contains(string(out), `"made": "here"`) {
			t.Errorf("skopeo inspect of %s: %v: %s", name, err, out)
		}
	}
	dst := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command(skopeo, "--insecure-policy", "copy", "oci:"+r.Dir()+":app:1", "oci:"+dst+":x").CombinedOutput(); err != nil {
		t.Fatalf("skopeo copy: %v: %s", err, out)
	}
	out, err := exec.Command(skopeo, "inspect", "--config", "oci:"+dst+":x").Output()
	if err != nil || !strings.Contains(string(out), diffID) {
		t.Errorf("the copy's config: %v: %s", err, out)
	}
}
