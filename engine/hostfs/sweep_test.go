//go:build linux

package hostfs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// sweep returns the paths that a sweep visits, sorted, and fails on any problem.
func sweep(t *testing.T, root *hostfs.Root, o hostfs.SweepOptions) []string {
	t.Helper()
	o.Problem = func(path string, err error) { t.Errorf("problem with %q: %v", path, err) }
	var mu sync.Mutex
	var paths []string
	must(t, hostfs.Sweep(context.Background(), root, o, 0, func(_, _ int, e *hostfs.Entry) (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, string([]byte(e.Path())))
		return 0, true
	}))
	slices.Sort(paths)
	return paths
}

// A sweep visits what a walk visits, each once, for any number of workers, also in folders of many buffers.
func TestSweepVisitsWhatWalkDoes(t *testing.T) {
	full, wide, large := t.TempDir(), t.TempDir(), t.TempDir()
	enginetest.BuildTree(t, full)
	makeWideTree(t, wide, 300, 4)
	makeLargeFolder(t, large, 20_000)
	for what, dir := range map[string]string{"everything": full, "wide": wide, "large folder": large, "empty": t.TempDir()} {
		root := openRoot(t, dir)
		want := walk(t, root, hostfs.WalkOptions{})
		slices.Sort(want)
		before := openFDs(t)
		for _, workers := range []int{0, 1, 2, 7} {
			t.Run(fmt.Sprintf("%s with %d workers", what, workers), func(t *testing.T) {
				samePaths(t, sweep(t, root, hostfs.SweepOptions{Workers: workers}), want)
			})
		}
		if after := openFDs(t); after != before {
			t.Errorf("%s: %d descriptors open, %d before", what, after, before)
		}
	}
}

// What visit returns for a folder comes with its entries, and a folder that is not entered stays closed.
func TestSweepHandsDown(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a/b/c", "x/closed/y"} {
		must(t, os.MkdirAll(filepath.Join(dir, path), 0o755))
	}
	var mu sync.Mutex
	got := map[string]string{}
	must(t, hostfs.Sweep(context.Background(), openRoot(t, dir), hostfs.SweepOptions{}, "top",
		func(_ int, in string, e *hostfs.Entry) (string, bool) {
			mu.Lock()
			defer mu.Unlock()
			got[string([]byte(e.Path()))] = in
			return in + ">" + string([]byte(e.Name)), e.Name != "closed"
		}))
	want := map[string]string{"": "top", "a": "top>", "a/b": "top>>a", "a/b/c": "top>>a>b", "x": "top>", "x/closed": "top>>x"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Mount points are visited and not entered.
func TestSweepMount(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := t.TempDir()
	for _, name := range []string{"a", "mnt", "z"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	mnt := filepath.Join(dir, "mnt")
	must(t, unix.Mount(dir, mnt, "", unix.MS_BIND, "")) // the same device: only the mount id tells
	t.Cleanup(func() { enginetest.Unmount(t, mnt) })
	root := openRoot(t, dir)
	samePaths(t, sweep(t, root, hostfs.SweepOptions{}), []string{"", "a", "mnt", "z"})
}

// A cancelled sweep ends soon and leaves nothing open.
func TestSweepCancelled(t *testing.T) {
	dir := t.TempDir()
	makeWideTree(t, dir, 1000, 2)
	root := openRoot(t, dir)
	before := openFDs(t)
	for _, at := range []int64{1, 2, 100, 2000} {
		ctx, cancel := context.WithCancel(context.Background())
		var seen atomic.Int64
		var cancelled time.Time
		err := hostfs.Sweep(ctx, root, hostfs.SweepOptions{Workers: 3}, 0, func(_, _ int, _ *hostfs.Entry) (int, bool) {
			if seen.Add(1) == at {
				cancelled = time.Now()
				cancel()
			}
			return 0, true
		})
		if took := time.Since(cancelled); !errors.Is(err, context.Canceled) || took > time.Minute {
			t.Errorf("cancelled at %d: %v after %v", at, err, took)
		}
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

// BenchmarkSweep is BenchmarkWalk without the order.
func BenchmarkSweep(b *testing.B) {
	dir := b.TempDir()
	made := makeWideTree(b, dir, 8600, 9)
	root := openRoot(b, dir)
	b.ReportAllocs()
	for b.Loop() {
		var seen [64]struct {
			n int
			_ [56]byte
		}
		err := hostfs.Sweep(context.Background(), root, hostfs.SweepOptions{}, 0, func(w, _ int, _ *hostfs.Entry) (int, bool) {
			seen[w].n++
			return 0, true
		})
		total := 0
		for _, s := range seen {
			total += s.n
		}
		if err != nil || total != made+1 {
			b.Fatalf("saw %d of %d entries, error %v", total, made+1, err)
		}
	}
	b.ReportMetric(float64(made+1)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
