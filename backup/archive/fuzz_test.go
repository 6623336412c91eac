package archive

import (
	"bytes"
	"io"
	"testing"
)

// Whatever an archive holds, an import ends, and each image it reports can be
// sent to an engine, and then is the same image.
func FuzzImport(f *testing.F) {
	a, b := img{tag: "a:1", layers: [][]byte{layer(f, "x", "1")}}, img{tag: "b:1", layers: [][]byte{layer(f, "x", "1"), layer(f, "y", "2")}}
	for _, parts := range [][]part{
		docker20(f, a, b), mixed25(f, a, b), containerd(f, plain, a, b), containerd(f, gzipped, a), containerd(f, zstandard, b), linked(f, b, "../x"),
	} {
		f.Add(pack(f, parts))
	}
	platforms, _, _ := multi(f, nil)
	f.Add(pack(f, platforms))
	f.Add([]byte(`{"message":"no such image"}`))
	// A repository each time would be most of the work. That they fill up lets
	// known layers be met as well.
	s, second := newStore(f), newStore(f)
	f.Fuzz(func(t *testing.T, archive []byte) {
		r, _ := Import(t.Context(), s, bytes.NewReader(archive), ImportOptions{})
		if r == nil {
			return
		}
		for _, item := range r.Images {
			target := TargetGraph
			if item.Kind == Containerd {
				target = TargetContainerd
			}
			stream, err := Export(t.Context(), s, []ExportImage{{Desc: item.Desc, Absent: item.Absent}}, ExportOptions{Target: target})
			if err != nil {
				t.Fatalf("export %+v: %v", item, err)
			}
			back, err := Import(t.Context(), second, stream, ImportOptions{Kind: item.Kind})
			if err != nil || len(back.Images) != 1 || back.Images[0].ID != item.ID {
				t.Fatalf("image %+v came back as %+v, %v", item, back, err)
			}
			if err := stream.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// No compressed input makes a decoder give more than the limit.
func FuzzDecompress(f *testing.F) {
	data := bytes.Repeat([]byte("davit "), 1000)
	for _, c := range []compression{plain, gzipped, zstandard} {
		f.Add(compress(f, c, data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		c := sniff(data)
		if c == plain {
			return
		}
		r, err := decompress(bytes.NewReader(data), c, limit)
		if err != nil {
			return
		}
		defer r.Close()
		if n, _ := io.Copy(io.Discard, r); n > limit {
			t.Fatalf("%s gave %d bytes", c, n)
		}
	})
}
