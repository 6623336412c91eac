//go:build linux

package hostfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// portableEntry is what both walks must tell of an entry.
type portableEntry struct {
	path                string
	dir, file, symlink  bool
	size                int64
	seconds, nanosecond int64
}

func asPortable(e *Entry) portableEntry {
	p := portableEntry{path: strings.Clone(e.Path()), dir: e.IsDir(), file: e.IsRegular(), symlink: e.IsSymlink(), seconds: e.Mtime.Sec, nanosecond: int64(e.Mtime.Nsec)}
	if p.file {
		p.size = e.Size
	}
	return p
}

// The walk of other systems sees what that of Linux sees, in the same order; its sweep hands down and stays out.
func TestPortableWalk(t *testing.T) {
	dir := t.TempDir()
	enginetest.BuildTree(t, dir)
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var want, got, swept []portableEntry
	if err := root.Walk(t.Context(), WalkOptions{}, func(e *Entry) error { want = append(want, asPortable(e)); return nil }); err != nil {
		t.Fatal(err)
	}
	p, err := openPortable(dir)
	if err != nil {
		t.Fatal(err)
	}
	o := WalkOptions{Problem: func(path string, err error) { t.Errorf("%s: %v", path, err) }}
	if err := p.Walk(t.Context(), o, func(e *Entry) error { got = append(got, asPortable(e)); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("walked %v\nwant %v", got, want)
	}
	err = sweepPortable(t.Context(), p, SweepOptions{}, 0, func(_, depth int, e *Entry) (int, bool) {
		swept = append(swept, asPortable(e))
		if e.Name != "" && depth != strings.Count(e.Path(), "/")+1 {
			t.Errorf("%s came with %d", e.Path(), depth)
		}
		return depth + 1, e.Name == "" || e.Name < "m"
	})
	want = slices.DeleteFunc(want, func(e portableEntry) bool {
		parts := strings.Split(e.path, "/")
		return slices.ContainsFunc(parts[:len(parts)-1], func(s string) bool { return s >= "m" })
	})
	if err != nil || !slices.Equal(swept, want) {
		t.Errorf("swept %v\nwant %v: %v", swept, want, err)
	}
}

// It ends when it is told to, and tells of folders that it cannot read.
func TestPortableWalkEnds(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/b/c", "d"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openPortable(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was opened")
	}
	p, err := openPortable(dir)
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	n := 0
	if err := p.Walk(t.Context(), WalkOptions{}, func(*Entry) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	}); err != enough || n != 3 {
		t.Errorf("%d visits, error %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	if err := p.Walk(ctx, WalkOptions{}, func(*Entry) error { n++; cancel(); return nil }); !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d visits, error %v", n, err)
	}
	var problems []string
	o := WalkOptions{Problem: func(path string, _ error) { problems = append(problems, path) }}
	if err := p.Walk(t.Context(), o, func(e *Entry) error {
		if e.Name == "b" { // a file takes the place of the folder
			return errors.Join(os.RemoveAll(filepath.Join(dir, "a/b")), os.WriteFile(filepath.Join(dir, "a/b"), nil, 0o600))
		}
		return nil
	}); err != nil || !slices.Equal(problems, []string{"a/b"}) {
		t.Errorf("problems %v, error %v", problems, err)
	}
}
