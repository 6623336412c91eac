//go:build linux

package hostfs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"davit/engine/hostfs"
)

// BenchmarkWalk walks 85,000 entries in 8,600 folders that the kernel has in its cache.
func BenchmarkWalk(b *testing.B) {
	dir := b.TempDir()
	made := makeWideTree(b, dir, 8600, 9)
	root := openRoot(b, dir)
	for b.Loop() {
		seen := 0
		err := root.Walk(context.Background(), hostfs.WalkOptions{}, func(*hostfs.Entry) error {
			seen++
			return nil
		})
		if err != nil || seen != made+1 {
			b.Fatalf("saw %d of %d entries, error %v", seen, made+1, err)
		}
	}
	b.ReportMetric(float64(made+1)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkOpenRegular opens and closes one file.
func BenchmarkOpenRegular(b *testing.B) {
	dir := b.TempDir()
	writeFile(b, filepath.Join(dir, "f"), "content")
	root := openRoot(b, dir)
	d, err := root.OpenDir("")
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for b.Loop() {
		fd, _, err := d.OpenRegular("f")
		if err != nil {
			b.Fatal(err)
		}
		closeFD(b, fd)
	}
}

// makeWideTree makes folders in three levels with so many empty files each, and returns the number of entries.
func makeWideTree(t testing.TB, dir string, folders, files int) (made int) {
	t.Helper()
	tops := map[string]bool{}
	for i := range folders {
		top := fmt.Sprintf("top-%02d", i%40)
		if !tops[top] {
			tops[top] = true
			made++
		}
		sub := filepath.Join(dir, top, fmt.Sprintf("folder-%05d", i))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		made++
		for j := range files {
			writeFile(t, filepath.Join(sub, fmt.Sprintf("some-file-%d.txt", j)), "")
			made++
		}
	}
	return made
}
