package repo

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What an index decoder accepts has only digests that are safe as file names,
// and lengths that are none to fear.
func FuzzDecodeIndex(f *testing.F) {
	m := memory{}
	if _, err := BuildTreeItem(f.Context(), m, someParts(3), map[string]string{"a": "b"}); err != nil {
		f.Fatal(err)
	}
	for _, data := range m {
		f.Add(data)
	}
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":1}]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := DecodeIndex(DigestOf(data), data)
		if err != nil {
			wantDamaged(t, err)
			return
		}
		checkAccepted(t, index.Manifests)
	})
}

func FuzzDecodeManifest(f *testing.F) {
	s := memory{}
	empty, err := json.Marshal(ocispec.Manifest{Config: ocispec.DescriptorEmptyJSON, Layers: someParts(2)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Replace(empty, []byte(`"schemaVersion":0`), []byte(`"schemaVersion":2`), 1))
	f.Add([]byte(`{"schemaVersion":2,"config":{},"layers":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = s.PutBlob(t.Context(), data)
		manifest, err := DecodeManifest(DigestOf(data), data)
		if err != nil {
			wantDamaged(t, err)
			return
		}
		checkAccepted(t, append(manifest.Layers, manifest.Config))
	})
}

// A snapshot that decodes has items that can be written again as they are.
func FuzzReadSnapshot(f *testing.F) {
	m := memory{}
	snap := Snapshot{ID: "0123456789abcdef", Host: "nas", Complete: true, Items: []Item{{Kind: KindVolume, Name: "a b", Desc: someParts(1)[0]}}}
	if err := putSnapshot(f.Context(), indexWriter{store: m, maxChildren: maxChildren}, &snap); err != nil {
		f.Fatal(err)
	}
	f.Add(m[snap.Digest])
	f.Add(bytes.ReplaceAll(m[snap.Digest], []byte(annKind), []byte("davit.none")))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := memory{}
		d, _ := m.PutBlob(t.Context(), data)
		got, err := readSnapshot(t.Context(), m, ref{ID: snap.ID, Digest: d.String(), Size: int64(len(data))})
		if err != nil {
			wantDamaged(t, err)
			return
		}
		for _, item := range got.Items {
			if err := checkItem(item); err != nil {
				t.Error(err)
			}
			if name, err := unescapeName(escapeName(item.Name)); err != nil || name != item.Name {
				t.Errorf("name %q becomes %q, %v", item.Name, name, err)
			}
		}
	})
}

func FuzzDecodeRef(f *testing.F) {
	const id = "0123456789abcdef"
	good, err := json.Marshal(ref{Version: 1, ID: id, Digest: DigestOf(nil).String(), Size: 5})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeRef(id, data)
		if err == nil && (got.ID != id || got.Version != 1 || got.Size <= 0 || got.Size > MaxManifest) {
			t.Errorf("accepted %+v", got)
		}
	})
}

func FuzzDecodeConfig(f *testing.F) {
	good, err := json.Marshal(Config{Version: 1, ID: "0123456789abcdef0123456789abcdef", Chunker: defaultChunker()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeConfig(data)
		if err == nil && (c.Version != 1 || c.Chunker.CDCMax > 128*mib || c.Chunker.CDCMin < 1) {
			t.Errorf("accepted %+v", c)
		}
	})
}

// An index file that is accepted is, byte for byte, what its records make.
func FuzzReadIndexFile(f *testing.F) {
	for _, n := range []int{0, 1, 5} {
		var out bytes.Buffer
		blobs := slices.SortedFunc(slices.Values(manyBlobs(n)), compareBlobs)
		if err := encodeIndex(&out, 3, withoutError(slices.Values(blobs))); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := newRecordReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var blobs []Blob
		for {
			b, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			blobs = append(blobs, b)
		}
		var out bytes.Buffer
		if err := encodeIndex(&out, r.sequence, withoutError(slices.Values(blobs))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes()[indexHeaderLen:len(data)-indexSumLen], data[indexHeaderLen:len(data)-indexSumLen]) {
			t.Error("other records were read than are there")
		}
	})
}

func wantDamaged(t *testing.T, err error) {
	t.Helper()
	var damaged *DamagedError
	if !errors.As(err, &damaged) {
		t.Errorf("error is no *DamagedError: %v", err)
	}
}

func checkAccepted(t *testing.T, list []ocispec.Descriptor) {
	t.Helper()
	for _, desc := range list {
		d, err := ParseDigest(desc.Digest.String())
		if err != nil || d.String() != desc.Digest.String() || desc.Size < 0 {
			t.Errorf("accepted %+v", desc)
		}
	}
}
