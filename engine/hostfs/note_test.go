package hostfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"davit/engine/hostfs"
)

type noted struct{ Run string }

// A note is its process's while that holds it, and the finder's afterwards; one that was cut short is nobody's.
func TestNote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "notes")
	path := filepath.Join(dir, "a.json")
	n, err := hostfs.WriteNote(path, noted{"a"})
	if err != nil {
		t.Fatal(err)
	}
	var got noted
	if taken, err := hostfs.AdoptNote(path, &got); taken != nil || err != nil || !hostfs.IsHeld(path) {
		t.Fatalf("the note of a living process was taken: %v, %v", taken, err)
	}
	if _, err := hostfs.WriteNote(path, noted{"b"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	if err := n.Leave(); err != nil {
		t.Fatal(err)
	}
	taken, err := hostfs.AdoptNote(path, &got)
	if err != nil || taken == nil || got.Run != "a" || taken.Path() != path {
		t.Fatalf("%+v, %+v, %v", taken, got, err)
	}
	if err := taken.Done(); err != nil {
		t.Fatal(err)
	}
	if taken, err := hostfs.AdoptNote(path, &got); taken != nil || err != nil || hostfs.IsHeld(path) {
		t.Errorf("a note that is gone: %v, %v", taken, err)
	}
	if err := os.WriteFile(path, []byte(`{"Run": "a`), 0o600); err != nil {
		t.Fatal(err)
	}
	if taken, err := hostfs.AdoptNote(path, &got); taken != nil || err != nil {
		t.Errorf("a note that was cut short: %v, %v", taken, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it stayed: %v", err)
	}
}

// Of several that find a note at once one gets it: what is left is cleaned up once.
func TestNoteIsAdoptedOnce(t *testing.T) {
	dir := t.TempDir()
	for round := range 300 {
		path := filepath.Join(dir, fmt.Sprint(round))
		n, err := hostfs.WriteNote(path, noted{"a"})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Leave(); err != nil {
			t.Fatal(err)
		}
		var adopted atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				var got noted
				n, err := hostfs.AdoptNote(path, &got)
				if err == nil && n != nil {
					adopted.Add(1)
					err = n.Done()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if adopted.Load() != 1 {
			t.Fatalf("round %d: adopted %d times", round, adopted.Load())
		}
	}
}

// Only what matches is a note, and a folder that was never made has none.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.json", "a.json", "report.html"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := hostfs.Matching(dir, "*.json")
	if err != nil || len(paths) != 2 || paths[0] != filepath.Join(dir, "a.json") {
		t.Errorf("%v, %v", paths, err)
	}
	if paths, err := hostfs.Matching(filepath.Join(dir, "missing"), "*.json"); len(paths) != 0 || err != nil {
		t.Errorf("%v, %v", paths, err)
	}
}
