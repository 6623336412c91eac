package chunk_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"davit/backup/chunk"
)

// BenchmarkSave stores the tree named by DAVIT_BENCH_TREE into a fresh repository
// below DAVIT_BENCH_DIR, and again unchanged, and restores it.
func BenchmarkSave(b *testing.B) {
	tree, dir := os.Getenv("DAVIT_BENCH_TREE"), os.Getenv("DAVIT_BENCH_DIR")
	if tree == "" || dir == "" {
		b.Skip("DAVIT_BENCH_TREE and DAVIT_BENCH_DIR are not set")
	}
	for b.Loop() {
		work, err := os.MkdirTemp(dir, "save-")
		if err != nil {
			b.Fatal(err)
		}
		s := newStoreAt(b, filepath.Join(work, "repo"))
		cache := chunk.OpenCache("", "")
		start := time.Now()
		result, item := save(b, s, tree, cache, chunk.SaveOptions{})
		if err := s.session.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
		first := time.Now()
		save(b, s, tree, cache, chunk.SaveOptions{})
		second := time.Now()
		dst := filepath.Join(work, "restored")
		if err := os.Mkdir(dst, 0o700); err != nil {
			b.Fatal(err)
		}
		if _, err := chunk.Restore(b.Context(), s, item, openRoot(b, dst), chunk.RestoreOptions{}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(first.Sub(start).Seconds(), "first-s")
		b.ReportMetric(second.Sub(first).Seconds(), "unchanged-s")
		b.ReportMetric(time.Since(second).Seconds(), "restore-s")
		b.ReportMetric(float64(result.Stats.StoredBytes)/1e6, "stored-MB")
		b.ReportMetric(float64(result.Stats.Chunks), "chunks")
		if err := os.RemoveAll(work); err != nil {
			b.Fatal(err)
		}
	}
}
