package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"davit/backup/repo"
)

func export(t testing.TB, s store, items []ImageItem, o ExportOptions) []byte {
	t.Helper()
	data, err := io.ReadAll(open(t, s, items, o))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, s store, items []ImageItem, o ExportOptions) io.ReadCloser {
	t.Helper()
	var images []ExportImage
	for _, i := range items {
		images = append(images, ExportImage{Desc: i.Desc, Tags: i.Tags, Absent: i.Absent})
	}
	r, err := Export(t.Context(), s, images, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// A layer that two images share is sent once.
func TestExportSharesLayers(t *testing.T) {
	a, b := twoImages(t)
	s := newStore(t)
	items := load(t, s, pack(t, docker20(t, a, b)), ImportOptions{}).Images
	names := map[string]int{}
	tr := tar.NewReader(bytes.NewReader(export(t, s, items, ExportOptions{Target: TargetGraph})))
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names[hdr.Name]++
	}
	if len(names) != 4+2+1 {
		t.Errorf("got the entries %v, want 4 layers, 2 configs, manifest.json", names)
	}
	for name, n := range names {
		if n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
}

// However a blob is damaged, the stream ends with an error that names it, and
// what came before is not a whole archive.
func TestExportDamagedBlob(t *testing.T) {
	a, b := twoImages(t)
	damages := map[string]func(data []byte) []byte{
		"bit flipped": func(d []byte) []byte { d[len(d)/2] ^= 4; return d },
		"cut short":   func(d []byte) []byte { return d[:len(d)-3] },
		"emptied":     func(d []byte) []byte { return nil },
		"other layer": func(d []byte) []byte { return compress(t, zstandard, layer(t, "b", "evil")) },
	}
	for name, damage := range damages {
		for _, target := range []Target{TargetGraph, TargetGraphZstd, TargetContainerd} {
			s := newStore(t)
			items := load(t, s, pack(t, docker20(t, a, b)), ImportOptions{}).Images
			blob, ok := s.Lookup(repo.ID(repo.DigestOf(b.layers[1])))
			if !ok {
				t.Fatal("layer is not in the repository")
			}
			path := s.dir + "/blobs/sha256/" + blob.Digest.Hex()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			sent, err := io.ReadAll(open(t, s, items, ExportOptions{Target: target}))
			if err == nil || !strings.Contains(err.Error(), blob.Digest.String()) {
				t.Errorf("%s, target %d: got error %v, want one that names %s", name, target, err, blob.Digest)
			}
			if _, err := Import(t.Context(), newStore(t), bytes.NewReader(sent), ImportOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, target %d: what was sent gives %v", name, target, err)
			}
		}
	}
}

// A stream that is closed early or whose context ends leaves no goroutine
// behind that writes.
func TestExportClosedEarly(t *testing.T) {
	a, b := twoImages(t)
	s := newStore(t)
	items := load(t, s, pack(t, docker20(t, a, b)), ImportOptions{}).Images
	r := open(t, s, items, ExportOptions{})
	if _, err := io.ReadFull(r, make([]byte, 600)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Export(ctx, s, []ExportImage{{Desc: items[0].Desc}}, ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(c); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled export gives %v", err)
	}
}
