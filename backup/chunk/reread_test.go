package chunk_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/backup/chunk"
	"davit/engine/enginetest"
)

// rot is a file system whose disk can forget.
type rot struct{ root, disk string }

func newRot(t *testing.T) rot {
	t.Helper()
	mount := enginetest.Disk(t, 64<<20)
	root := filepath.Join(mount, "data")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	return rot{root: root, disk: mount}
}

// write makes a file that begins with a mark found nowhere else.
func (r rot) write(t *testing.T, name string, size int) {
	t.Helper()
	data := append(mark(name), bytes.Repeat([]byte(name+" "), size/(len(name)+1))...)
	if err := os.WriteFile(filepath.Join(r.root, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mark(name string) []byte { return fmt.Appendf(nil, "<<%s begins here>>", name) }

func (r rot) flip(t *testing.T, name string) {
	t.Helper()
	enginetest.Rot(t, r.disk, filepath.Join(r.root, name), mark(name))
}

// saveLater saves as if an hour had gone by, so that all times are trusted.
func saveLater(t *testing.T, s store, path string, cache *chunk.Cache, o chunk.SaveOptions) *chunk.Result {
	t.Helper()
	settings := options()
	settings.Now = func() time.Time { return time.Now().Add(time.Hour) }
	result, err := chunk.NewSaver(s, settings).Save(t.Context(), chunk.Local(openRoot(t, path)), cache, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func silent(result *chunk.Result) []string {
	var paths []string
	for _, p := range result.Problems {
		if p.Kind == chunk.Silent {
			paths = append(paths, p.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// Content that rots below the file system moves no time. A run that trusts times
// does not see it; one that reads again names the very file, once.
func TestSilentChangeIsNamed(t *testing.T) {
	r, s, cache := newRot(t), newStore(t), chunk.OpenCache("", "")
	for i := range 8 {
		r.write(t, fmt.Sprintf("small%d", i), 10_000)
	}
	r.write(t, "big", 3<<20)
	enginetest.AddSocket(t, filepath.Join(r.root, "a-socket"))
	saveLater(t, s, r.root, cache, chunk.SaveOptions{})
	if got := silent(saveLater(t, s, r.root, cache, chunk.SaveOptions{ForceRead: true})); got != nil {
		t.Fatalf("nothing rotted, named: %v", got)
	}
	for _, name := range []string{"small5", "big"} {
		r.flip(t, name)
		if result := saveLater(t, s, r.root, cache, chunk.SaveOptions{}); result.Stats.BytesRead != 0 || silent(result) != nil {
			t.Errorf("%s: a run that trusts times read %d bytes and named %v", name, result.Stats.BytesRead, silent(result))
		}
		result := saveLater(t, s, r.root, cache, chunk.SaveOptions{ForceRead: true})
		if got := strings.Join(silent(result), " "); got != name {
			t.Errorf("%s rotted, named: %q", name, got)
		}
		if got := silent(saveLater(t, s, r.root, cache, chunk.SaveOptions{ForceRead: true})); got != nil {
			t.Errorf("%s: named again: %v", name, got)
		}
	}
}

// As many passes as there are shares read everything once.
func TestSharesAreReadInTurn(t *testing.T) {
	r, s, cache := newRot(t), newStore(t), chunk.OpenCache(filepath.Join(t.TempDir(), "cache"), "key")
	const files, size, shares = 40, 400_000, 4
	for i := range files {
		r.write(t, fmt.Sprintf("file%02d", i), size)
	}
	first := saveLater(t, s, r.root, cache, chunk.SaveOptions{Reread: shares})
	r.flip(t, "file17")
	var read int64
	var named []string
	for turn := range shares {
		result := saveLater(t, s, r.root, cache, chunk.SaveOptions{Reread: shares})
		read += result.Stats.BytesRead
		named = append(named, silent(result)...)
		if result.Stats.BytesRead > first.Stats.BytesRead*3/4 {
			t.Errorf("turn %d read %d of %d bytes", turn, result.Stats.BytesRead, first.Stats.BytesRead)
		}
		if err := cache.Save(true); err != nil {
			t.Fatal(err)
		}
	}
	if read != first.Stats.BytesRead {
		t.Errorf("%d turns read %d bytes of %d", shares, read, first.Stats.BytesRead)
	}
	if strings.Join(named, " ") != "file17" {
		t.Errorf("file17 rotted, named: %v", named)
	}
}
