//go:build linux

package hostfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// walk returns the paths in the order of their visits, and fails on any problem.
func walk(t *testing.T, root *hostfs.Root, o hostfs.WalkOptions) []string {
	t.Helper()
	if o.Problem == nil {
		o.Problem = func(path string, err error) { t.Errorf("problem with %q: %v", path, err) }
	}
	var paths []string
	must(t, root.Walk(context.Background(), o, func(e *hostfs.Entry) error {
		paths = append(paths, e.Path())
		return nil
	}))
	return paths
}

// plainOrder is the same by the standard library, which sorts each folder by name.
func plainOrder(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
		paths = append(paths, rel)
		return err
	}))
	return paths
}

func samePaths(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("entry %d of %d is %q, want %q of %d", i, len(got), got[i], want[i], len(want))
		}
	}
	t.Fatalf("%d entries, want %d", len(got), len(want))
}

// The order is depth first with sorted names, for any number of workers, in trees with all kinds of names and shapes.
func TestWalkOrder(t *testing.T) {
	full, wide, large := t.TempDir(), t.TempDir(), t.TempDir()
	enginetest.BuildTree(t, full)
	makeWideTree(t, wide, 300, 4)
	makeLargeFolder(t, large, 9_000)
	for what, dir := range map[string]string{"everything": full, "wide": wide, "large folder": large, "empty": t.TempDir()} {
		want := plainOrder(t, dir)
		root := openRoot(t, dir)
		for _, workers := range []int{0, 1, 2, 7} {
			t.Run(fmt.Sprintf("%s with %d workers", what, workers), func(t *testing.T) {
				samePaths(t, walk(t, root, hostfs.WalkOptions{Workers: workers}), want)
			})
		}
	}
}

// makeLargeFolder makes a folder that several workers share, with subfolders in all its parts.
func makeLargeFolder(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("name-%06d", i*7919%n))
		if i%500 == 0 {
			must(t, os.Mkdir(path, 0o755))
			writeFile(t, filepath.Join(path, "below"), "")
			continue
		}
		must(t, os.Symlink("x", path))
	}
}

// What the walk says of an entry is what lstat says.
func TestWalkStat(t *testing.T) {
	dir := t.TempDir()
	enginetest.BuildTree(t, dir)
	root := openRoot(t, dir)
	must(t, root.Syncfs()) // while a file is written out, its blocks change
	must(t, root.Walk(context.Background(), hostfs.WalkOptions{}, func(e *hostfs.Entry) error {
		var st unix.Stat_t
		must(t, unix.Lstat(filepath.Join(dir, e.Path()), &st))
		mountID := e.MountID
		want := hostfs.Stat{
			Dev: st.Dev, Ino: st.Ino, Rdev: st.Rdev, MountID: mountID, Size: st.Size, Blocks: st.Blocks,
			Mtime: hostfs.Timespec{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)},
			Ctime: hostfs.Timespec{Sec: st.Ctim.Sec, Nsec: uint32(st.Ctim.Nsec)},
			Mode:  st.Mode, Nlink: uint32(st.Nlink), UID: st.Uid, GID: st.Gid, Chattr: e.Chattr,
		}
		if e.Stat != want {
			t.Errorf("%q: %+v, want %+v", e.Path(), e.Stat, want)
		}
		return nil
	}))
}

// A tree deeper than PATH_MAX, with side folders at each level so that descriptors run out for keeping parents open.
func TestWalkDeeperThanPathMax(t *testing.T) {
	root := openRoot(t, t.TempDir())
	long := strings.Repeat("d", 60)
	d, err := root.OpenDir("")
	must(t, err)
	const levels = 400
	rel := ""
	for i := range levels {
		must(t, d.Mkdir(long))
		must(t, d.Mkdir("z"))
		d.Close()
		rel = strings.TrimPrefix(rel+"/"+long, "/")
		if d, err = root.OpenDir(rel); err != nil {
			t.Fatalf("level %d: %v", i, err)
		}
	}
	fd, err := d.CreateFile("deepest")
	must(t, err)
	closeFD(t, fd)
	d.Close()
	paths := walk(t, root, hostfs.WalkOptions{})
	if len(paths) != 1+2*levels+1 || !slices.Contains(paths, rel+"/deepest") {
		t.Errorf("%d entries, want %d and the deepest", len(paths), 1+2*levels+1)
	}
}

// Skip leaves out the entry and what is below it, and nothing else.
func TestWalkSkip(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a/keep", "a/skip/below/it", "skip", "z"} {
		must(t, os.MkdirAll(filepath.Join(dir, path), 0o755))
	}
	skip := func(_, name string, _ *hostfs.Stat) bool { return name == "skip" }
	got := walk(t, openRoot(t, dir), hostfs.WalkOptions{Skip: skip})
	samePaths(t, got, []string{"", "a", "a/keep", "z"})
}

// A mount point is an entry; below it only goes who asks for it.
func TestWalkMount(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := t.TempDir()
	for _, name := range []string{"a", "mnt", "z"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	mnt := filepath.Join(dir, "mnt")
	must(t, unix.Mount(dir, mnt, "", unix.MS_BIND, "")) // the same device: only the mount id tells
	t.Cleanup(func() { enginetest.Unmount(t, mnt) })
	root := openRoot(t, dir)
	samePaths(t, walk(t, root, hostfs.WalkOptions{}), []string{"", "a", "mnt", "z"})
	enter := func(path string, st *hostfs.Stat) bool { return path == "mnt" && st.IsDir() }
	got := walk(t, root, hostfs.WalkOptions{EnterMount: enter})
	samePaths(t, got, []string{"", "a", "mnt", "mnt/a", "mnt/mnt", "mnt/z", "z"})
}

// An error of visit ends the walk and comes back as it is; so does a cancelled context, soon. Nothing stays open.
func TestWalkEndsEarly(t *testing.T) {
	dir := t.TempDir()
	makeWideTree(t, dir, 1000, 1)
	root := openRoot(t, dir)
	before := openFDs(t)
	enough := errors.New("enough")
	for _, at := range []int{1, 2, 100, 1500} {
		seen := 0
		err := root.Walk(context.Background(), hostfs.WalkOptions{Workers: 4}, func(*hostfs.Entry) error {
			if seen++; seen == at {
				return enough
			}
			return nil
		})
		if err != enough || seen != at {
			t.Errorf("stopped at %d of %d with %v", seen, at, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var cancelled time.Time
		seen = 0
		err = root.Walk(ctx, hostfs.WalkOptions{Workers: 4}, func(*hostfs.Entry) error {
			if seen++; seen == at {
				cancelled = time.Now()
				cancel()
			}
			time.Sleep(10 * time.Microsecond) // or the walk is over before it can be cancelled
			return nil
		})
		if took := time.Since(cancelled); !errors.Is(err, context.Canceled) || took > time.Minute {
			t.Errorf("cancelled at %d: %v after %v", at, err, took)
		}
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// A root that is gone is an error, not an empty tree.
func TestWalkOfRemovedRoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	must(t, os.Mkdir(dir, 0o755))
	root := openRoot(t, dir)
	must(t, os.Remove(dir))
	err := root.Walk(context.Background(), hostfs.WalkOptions{}, func(*hostfs.Entry) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want not exist", err)
	}
}
