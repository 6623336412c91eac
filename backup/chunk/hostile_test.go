package chunk

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"davit/engine/hostfs"
)

// Every header that is written is read back as it was.
func TestHeaderRoundTrip(t *testing.T) {
	long := strings.Repeat("d/", 300) + "f"
	tests := map[string]header{
		"file":       {path: "a", kind: tarFile, mode: 0o4755, mtime: hostfs.Timespec{Sec: 5, Nsec: 7}},
		"root":       {path: "", kind: tarFolder, mode: 0o1777},
		"long":       {path: long, kind: tarFile, mode: 0o600, uid: 1 << 31, gid: 1<<32 - 1},
		"not UTF-8":  {path: "x\xff\n\x1b[2J", kind: tarSymlink, link: "\xfe/../.."},
		"old":        {path: "o", kind: tarFifo, mtime: hostfs.Timespec{Sec: -3, Nsec: 250_000_000}},
		"just old":   {path: "o", kind: tarFifo, mtime: hostfs.Timespec{Sec: -1, Nsec: 500_000_000}},
		"far future": {path: "o", kind: tarFifo, mtime: hostfs.Timespec{Sec: 1 << 36, Nsec: 1}},
		"device":     {path: "d", kind: tarBlock, rdev: 0x801},
		"link":       {path: "l", kind: tarHardlink, link: long},
		"attributes": {path: "x", kind: tarFile, xattrs: []hostfs.Xattr{
			{Name: "trusted.overlay.a=b%3D", Value: []byte("\x00\n=")}, {Name: "user.empty", Value: []byte{}},
		}},
		"sparse":   {path: "s", kind: tarFile, real: 1 << 40, size: 4096, sparse: []hostfs.Segment{{Off: 1 << 30, Len: 4096}}},
		"all hole": {path: "s", kind: tarFile, real: 9 << 30, sparse: []hostfs.Segment{}},
		"huge":     {path: "h", kind: tarFile, size: 20 << 30},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			data := want.append(nil)
			if len(data)%blockSize != 0 {
				t.Fatalf("%d bytes", len(data))
			}
			r := &entryReader{data: data}
			var e streamEntry
			if err := r.next(&e); err != nil {
				t.Fatal(err)
			}
			if e.big != (want.size > 0) || r.more() {
				t.Errorf("big %v, more %v", e.big, r.more())
			}
			if got := e.header.append(nil); !bytes.Equal(got, data) {
				t.Errorf("read back %+v, wrote %+v", e.header, want)
			}
		})
	}
}

// Names that lead elsewhere are refused before anything is opened.
func TestHostileNames(t *testing.T) {
	for _, path := range []string{"..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", ".", strings.Repeat("n", 256)} {
		h := header{path: path, kind: tarFile}
		if err := (&entryReader{data: h.append(nil)}).next(&streamEntry{}); err == nil {
			t.Errorf("path %q accepted", path)
		}
		h = header{path: "ok", kind: tarHardlink, link: path}
		if err := (&entryReader{data: h.append(nil)}).next(&streamEntry{}); err == nil {
			t.Errorf("hard link to %q accepted", path)
		}
	}
}

// A frame that holds more than it claims costs an error and no memory.
func TestDecodeBounds(t *testing.T) {
	enc, err := newEncoder(1)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	bomb := enc.encode(make([]byte, 32<<20), nil)
	for _, want := range []int64{-1, 0, 10, 32<<20 - 1, 32<<20 + 1, maxSegment + 1} {
		if _, err := dec.Decode(bomb, want, nil); err == nil {
			t.Errorf("a frame of 32 MiB decoded as %d bytes", want)
		}
	}
	// magic, a descriptor without content size, a window of 2 GiB
	wide := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00}
	if _, err := dec.Decode(wide, 100, nil); err == nil {
		t.Error("a window of 2 GiB accepted")
	}
}

func FuzzEntries(f *testing.F) {
	for _, h := range []header{
		{path: "a/b", kind: tarFile, mode: 0o644}, {path: "", kind: tarFolder},
		{path: "l", kind: tarHardlink, link: "a/b"},
		{path: "s", kind: tarFile, real: 1 << 20, size: 4096, sparse: []hostfs.Segment{{Off: 8192, Len: 4096}}},
	} {
		f.Add(h.append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &entryReader{data: data}
		var e streamEntry
		for r.more() {
			at := r.at
			if r.next(&e) != nil {
				return
			}
			if r.at <= at {
				t.Fatal("no progress")
			}
			if h := &e.header; h.path != "" && checkPath(h.path) != nil {
				t.Fatalf("path %q got through", h.path)
			}
		}
	})
}

func FuzzCatalog(f *testing.F) {
	line := appendEntry(nil, &Entry{Path: "a\xff", Kind: KindFile, Mode: 0o644, Size: 3})
	f.Add(append(appendLayerLine(nil, 0, 1, 2), line...))
	f.Add(appendEndLine(appendContinueLine(nil, "x", 5, 1), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = scanGroups(data, func(g *group) error {
			return scanEntries(g.lines, func(*Entry) error { return nil })
		})
	})
}

func FuzzPartManifest(f *testing.F) {
	sum := sha256.Sum256(nil)
	m, err := partManifest(sum, 10, 20, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePartManifest(data)
		if err != nil {
			return
		}
		for _, l := range p.Layers {
			if l.Len < 0 || l.Len > maxSegment || l.Stored < 0 {
				t.Fatalf("layer of %d bytes got through", l.Len)
			}
		}
	})
}
