//go:build linux

package hostfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"davit/engine/hostfs"

	"golang.org/x/sys/unix"
)

// A pass that was saved lets a later process copy only what has changed since, and is not taken for other trees.
func TestSavedPass(t *testing.T) {
	dir := t.TempDir()
	src, dst, other := filepath.Join(dir, "src"), filepath.Join(dir, "dst"), filepath.Join(dir, "other")
	for _, d := range []string{filepath.Join(src, "a"), dst, other} {
		must(t, os.MkdirAll(d, 0o755))
	}
	for _, f := range []string{"a/old", "a/changed"} {
		must(t, os.WriteFile(filepath.Join(src, f), []byte("one"), 0o644))
	}
	from, to := openRoot(t, src), openRoot(t, dst)
	past(t, src)
	pass, err := hostfs.CopyTree(t.Context(), from, to, hostfs.CopyOptions{})
	must(t, err)
	file := filepath.Join(dir, "pass")
	must(t, pass.Save(file, from, to))

	must(t, os.WriteFile(filepath.Join(src, "a/changed"), []byte("two"), 0o644))
	if _, err := hostfs.LoadCopyPass(file, from, openRoot(t, other)); !errors.Is(err, hostfs.ErrOtherTrees) {
		t.Errorf("for another target: %v", err)
	}
	loaded, err := hostfs.LoadCopyPass(file, from, to)
	must(t, err)
	counts := &hostfs.CopyCounts{}
	_, err = hostfs.CopyTree(t.Context(), from, to, hostfs.CopyOptions{Before: loaded, Counts: counts})
	must(t, err)
	if n := counts.Copied.Load(); n != 1 {
		t.Errorf("%d files were copied, want 1", n)
	}
	same(t, src, dst)
}

// past waits until the coarse clock, by which passes are dated, is past the last change in a folder.
func past(t *testing.T, dir string) {
	t.Helper()
	last, err := os.Stat(filepath.Join(dir, "a/changed"))
	must(t, err)
	for {
		var now unix.Timespec
		must(t, unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now))
		if time.Unix(now.Unix()).After(last.ModTime()) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
