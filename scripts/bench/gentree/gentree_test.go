package main

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// digest sums names, modes, links and contents of a tree.
func digest(t *testing.T, dir string) (sum [32]byte, files int, bytes int64) {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		h.Write([]byte(p[len(dir):]))
		if d.Type()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(p)
			h.Write([]byte(to))
			return err
		}
		data, err := os.ReadFile(p)
		h.Write(data)
		bytes += int64(len(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil)), files, bytes
}

// A measurement can be repeated only if the same seed gives the same tree and the same
// changes, and the tree has the size that was asked for.
func TestRepeatable(t *testing.T) {
	const wantFiles, wantBytes = 600, 12_000_000
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if err := run(dir, 7, wantFiles, wantBytes, 0); err != nil {
			t.Fatal(err)
		}
	}
	sumA, files, bytes := digest(t, a)
	if sumB, _, _ := digest(t, b); sumA != sumB {
		t.Error("two trees of one seed differ")
	}
	if files != wantFiles || bytes < wantBytes*8/10 || bytes > wantBytes*12/10 {
		t.Errorf("made %d files with %d bytes, want %d and about %d", files, bytes, wantFiles, wantBytes)
	}
	for _, dir := range []string{a, b} {
		if err := run(dir, 8, 0, 0, 0.1); err != nil {
			t.Fatal(err)
		}
	}
	changedA, _, _ := digest(t, a)
	if changedB, _, _ := digest(t, b); changedA != changedB || changedA == sumA {
		t.Error("changes of one seed differ, or nothing changed")
	}
}
