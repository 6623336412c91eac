package chunk_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

// state is what a test knows of a tree that was saved.
type state struct {
	item    ocispec.Descriptor
	entries map[string]chunk.Entry
	sums    map[string][32]byte // of regular files
}

func saveState(t *testing.T, s store, src string) state {
	t.Helper()
	_, item := saveWith(t, s, options(), src, chunk.OpenCache("", ""))
	st := state{item: item, entries: map[string]chunk.Entry{}, sums: map[string][32]byte{}}
	err := chunk.Files(t.Context(), s, item, func(e *chunk.Entry) error {
		st.entries[e.Path] = *e
		if e.Kind != chunk.KindFile {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(src, e.Path))
		st.sums[e.Path] = sha256.Sum256(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// expected is what Diff has to find, as PATH and + - M, with C for content.
func expected(a, b state) []string {
	var list []string
	for path, x := range a.entries {
		y, there := b.entries[path]
		if !there {
			list = append(list, path+" -")
			continue
		}
		content := x.Kind == chunk.KindFile && y.Kind == chunk.KindFile && a.sums[path] != b.sums[path]
		if small := x.Chunks+y.Chunks == 0; small && x.Size == y.Size && x.Mtime == y.Mtime {
			content = false // nothing in the lists tells
		}
		if mark := diffMark(&x, &y, content); mark != "" {
			list = append(list, path+mark)
		}
	}
	for path := range b.entries {
		if _, there := a.entries[path]; !there {
			list = append(list, path+" +")
		}
	}
	slices.Sort(list)
	return list
}

func diffMark(x, y *chunk.Entry, content bool) string {
	switch {
	case content:
		return " MC"
	case x.Kind != y.Kind || x.Mode != y.Mode || x.UID != y.UID || x.GID != y.GID || x.Size != y.Size || x.Mtime != y.Mtime ||
		x.Link != y.Link || x.Rdev != y.Rdev || x.Xattrs != y.Xattrs:
		return " M"
	}
	return ""
}

// After random edits Diff finds what has changed, all of it and nothing else, in the order of the stream.
func TestDiffFindsWhatChanged(t *testing.T) {
	enginetest.NeedRoot(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	disk := enginetest.Disk(t, 1<<30)
	src := filepath.Join(disk, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 2)), root: src}
	for range 150 {
		m.edit()
	}
	s := newStoreAt(t, filepath.Join(disk, "repo"))
	before, found := saveState(t, s, src), 0
	for round := range 15 {
		for range m.rng.IntN(6) {
			m.edit()
		}
		after := saveState(t, s, src)
		changes, err := chunk.Diff(t.Context(), s, before.item, after.item)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for i := range changes {
			got = append(got, changes[i].Path()+markOf(&changes[i]))
		}
		inOrder := slices.IsSortedFunc(changes, func(a, b chunk.Change) int {
			return strings.Compare(strings.ReplaceAll(a.Path(), "/", "\x00"), strings.ReplaceAll(b.Path(), "/", "\x00"))
		})
		slices.Sort(got)
		if want := expected(before, after); !slices.Equal(got, want) || !inOrder {
			t.Fatalf("round %d: got %q, want %q; in order: %v", round, got, want, inOrder)
		}
		found += len(got)
		before = after
	}
	if found == 0 {
		t.Error("nothing ever changed: nothing was tested")
	}
}

// Files with holes, larger than what a run holds of them, that got another time.
func TestDiffOfSparseFiles(t *testing.T) {
	enginetest.NeedRoot(t)
	const size, at = 5 << 20, 3 << 20
	long := strings.Repeat("content", 1<<18)
	cases := []struct{ name, before, after, want string }{ // what is written at 3 MiB; "" leaves a hole
		{"hole", "", "", " M"},
		{"same", "data", "data", " M"},
		{"other", "data", "atad", " MC"},
		{"filled", "", "data", " MC"},
		{"emptied", long, "", " MC"},
	}
	disk := enginetest.Disk(t, 256<<20)
	src := filepath.Join(disk, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string, at int64) {
		f, err := os.Create(filepath.Join(src, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte(content), at); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range cases {
		write(c.name, c.before, at)
	}
	write("moved", long, 0)
	s := newStoreAt(t, filepath.Join(disk, "repo"))
	before := saveState(t, s, src)
	want := []string{"moved MC"}
	for _, c := range cases {
		write(c.name, c.after, at)
		want = append(want, c.name+c.want)
	}
	write("moved", long, 1<<20)
	after := saveState(t, s, src)
	changes, err := chunk.Diff(t.Context(), s, before.item, after.item)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range changes {
		got = append(got, changes[i].Path()+markOf(&changes[i]))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func markOf(c *chunk.Change) string {
	switch {
	case c.From == nil:
		return " +"
	case c.To == nil:
		return " -"
	case c.Content:
		return " MC"
	}
	return " M"
}

// A chunk that got a new name by a frame behind it decodes as before, here and by zstd.
func TestSkippedFrame(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src, "file"), []byte(strings.Repeat("content", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newStoreAt(t, filepath.Join(dir, "repo"))
	_, item := saveWith(t, s, options(), src, chunk.OpenCache("", ""))
	dec, err := chunk.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	frame := "\x50\x2a\x4d\x18\x10\x00\x00\x000123456789abcdef"
	chunks := 0
	for _, part := range partsOf(t, s, item) {
		layers, err := chunk.Layers(t.Context(), s, part)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range layers {
			stored, err := s.ReadBlob(t.Context(), b.Digest, b.Stored, nil)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := dec.Decode(append(stored, frame...), b.Len, nil)
			if err != nil || sha256.Sum256(plain) != b.ID {
				t.Errorf("decoded %d bytes of %d: %v", len(plain), b.Len, err)
			}
			cmd := exec.Command("zstd", "-dqc")
			cmd.Stdin = strings.NewReader(string(stored) + frame)
			if out, err := cmd.Output(); err != nil || sha256.Sum256(out) != b.ID {
				t.Errorf("zstd decoded %d bytes: %v", len(out), err)
			}
			chunks++
		}
	}
	if chunks == 0 {
		t.Error("no chunk was looked at")
	}
}

func partsOf(t *testing.T, s store, item ocispec.Descriptor) []ocispec.Descriptor {
	t.Helper()
	var parts []ocispec.Descriptor
	err := repo.WalkParts(t.Context(), s, item, func(desc ocispec.Descriptor) error {
		parts = append(parts, desc)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}
