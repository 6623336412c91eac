//go:build linux

package hostfs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// A copy of a tree with everything in it is the same tree, on the same file system, another of its kind and another
// kind, with data shared or not: for our eyes, for rsync's, and for our own comparison.
func TestCopyTree(t *testing.T) {
	enginetest.NeedRoot(t)
	from := filepath.Join(enginetest.Disk(t, 512<<20), "from")
	must(t, os.Mkdir(from, 0o710))
	buildEverything(t, from)
	for name, to := range map[string]string{
		"same": filepath.Join(filepath.Dir(from), "to"), "ext4": enginetest.Disk(t, 512<<20) + "/to", "xfs": xfsDisk(t) + "/to",
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.Mkdir(to, 0o755))
			unlockAtEnd(t, to)
			pass := copyTree(t, from, to, hostfs.CopyOptions{})
			same(t, from, to)
			again := pass
			for range 2 { // what is a good copy is left alone
				counts := &hostfs.CopyCounts{}
				again = copyTree(t, from, to, hostfs.CopyOptions{Before: again, Delete: true, Counts: counts})
				same(t, from, to)
				if n := counts.Deleted.Load(); n != 0 {
					t.Errorf("deleted %d", n)
				}
			}
		})
	}
	t.Run("xfs to xfs, shared", func(t *testing.T) {
		disk := xfsDisk(t)
		one, two := disk+"/one", disk+"/two"
		must(t, os.Mkdir(one, 0o755))
		must(t, os.Mkdir(two, 0o755))
		unlockAtEnd(t, one)
		unlockAtEnd(t, two)
		copyTree(t, from, one, hostfs.CopyOptions{Workers: 1})
		counts := &hostfs.CopyCounts{}
		copyTree(t, one, two, hostfs.CopyOptions{Counts: counts})
		same(t, one, two)
		if counts.Shared.Load() == 0 || counts.Bytes.Load() != 0 {
			t.Errorf("shared %d bytes, wrote %d", counts.Shared.Load(), counts.Bytes.Load())
		}
	})
}

// A file of terabytes that is nearly all hole is copied at once.
func TestCopyTreeHugeSparse(t *testing.T) {
	from, to := enginetest.Disk(t, 64<<20), enginetest.Disk(t, 64<<20)
	enginetest.AddHugeSparse(t, filepath.Join(from, "huge"))
	copyTree(t, from, to, hostfs.CopyOptions{})
	for _, line := range compare(t, from, to) {
		t.Error(line)
	}
	for _, dir := range []string{from, to} {
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(dir, "huge"), &st))
		if st.Blocks > 1000 {
			t.Errorf("%d blocks in %s", st.Blocks, dir)
		}
	}
}

// Holes are kept by blocks of 4096, also on file systems whose blocks are smaller.
func TestCopyTreeSmallBlocks(t *testing.T) {
	from := enginetest.DiskOf(t, 64<<20, "mkfs.ext4", "-q", "-F", "-b", "1024")
	to := enginetest.DiskOf(t, 64<<20, "mkfs.ext4", "-q", "-F", "-b", "1024")
	for _, size := range []int64{1024, 4096, 5000, 6000, 8191, 8192, 9000, 50_000} {
		for _, at := range []int64{0, 1024, 3072, 4096, 7168} {
			path := filepath.Join(from, fmt.Sprintf("%d-%d", size, at))
			writeFile(t, path, "")
			must(t, os.Truncate(path, max(size, at)))
			fd, err := unix.Open(path, unix.O_WRONLY, 0)
			must(t, err)
			_, err = unix.Pwrite(fd, []byte("data"), at)
			must(t, errors.Join(err, unix.Close(fd)))
		}
	}
	copyTree(t, from, to, hostfs.CopyOptions{})
	same(t, from, to)
}

// buildEverything is BuildTree with what only some file systems hold: flags, overlay's attributes, whiteouts.
func buildEverything(t *testing.T, dir string) {
	t.Helper()
	enginetest.BuildTree(t, dir)
	enginetest.AddSocket(t, filepath.Join(dir, "socket"))
	writeFile(t, filepath.Join(dir, "sparse"), "begin")
	must(t, os.Truncate(filepath.Join(dir, "sparse"), 100<<20))
	layer := filepath.Join(dir, "layer")
	must(t, os.MkdirAll(filepath.Join(layer, "opaque"), 0o750))
	must(t, unix.Setxattr(filepath.Join(layer, "opaque"), "trusted.overlay.opaque", []byte("y"), 0))
	must(t, unix.Setxattr(filepath.Join(layer, "opaque"), "trusted.overlay.redirect", []byte("/elsewhere"), 0))
	must(t, unix.Mknod(filepath.Join(layer, "whiteout"), unix.S_IFCHR|0o600, 0))
	must(t, os.Link(filepath.Join(layer, "whiteout"), filepath.Join(layer, "whiteout2"))) // as overlay makes them
	must(t, os.Symlink("nowhere", filepath.Join(layer, "symlink")))
	must(t, unix.Linkat(unix.AT_FDCWD, filepath.Join(layer, "symlink"), unix.AT_FDCWD, filepath.Join(layer, "symlink2"), 0))
	for _, n := range []string{"immutable", "append"} {
		writeFile(t, filepath.Join(layer, n), n)
	}
	must(t, os.Link(filepath.Join(layer, "immutable"), filepath.Join(layer, "opaque", "immutable2")))
	must(t, os.Mkdir(filepath.Join(layer, "fixed"), 0o755))
	writeFile(t, filepath.Join(layer, "fixed", "file"), "in a folder that is fixed")
	chattr(t, "+i", filepath.Join(layer, "immutable"), filepath.Join(layer, "fixed"))
	chattr(t, "+a", filepath.Join(layer, "append"))
	unlockAtEnd(t, dir)
}

// copyTree copies without any problem.
func copyTree(t *testing.T, from, to string, o hostfs.CopyOptions) *hostfs.CopyPass {
	t.Helper()
	if o.Problem == nil {
		o.Problem = func(path string, err error) { t.Errorf("problem: %q: %v", path, err) }
	}
	pass, err := hostfs.CopyTree(t.Context(), openRoot(t, from), openRoot(t, to), o)
	if err != nil {
		t.Fatal(err)
	}
	return pass
}

// same fails the test when two trees differ in anything, for any of three judges.
func same(t *testing.T, from, to string) {
	t.Helper()
	// While a file is written out, ext4 counts more blocks than it has.
	must(t, errors.Join(openRoot(t, from).Syncfs(), openRoot(t, to).Syncfs()))
	want, err := enginetest.DescribeTree(from)
	must(t, err)
	got, err := enginetest.DescribeTree(to)
	must(t, err)
	for _, line := range want.Diff(got) {
		t.Error(line)
	}
	if out := rsync(t, from, to); out != "" {
		t.Errorf("rsync sees differences:\n%s", out)
	}
	for _, line := range compare(t, from, to) {
		t.Errorf("compare: %s", line)
	}
	if one, two := lsattr(t, from), lsattr(t, to); one != two {
		t.Errorf("flags were\n%sare\n%s", one, two)
	}
}

// A further pass finds every kind of change, and copies only what has changed.
func TestCopyTreeSecondPass(t *testing.T) {
	enginetest.NeedRoot(t)
	from, to := filepath.Join(enginetest.Disk(t, 512<<20), "from"), enginetest.Disk(t, 512<<20)+"/to"
	must(t, os.Mkdir(from, 0o755))
	must(t, os.Mkdir(to, 0o755))
	at := func(parts ...string) string { return filepath.Join(append([]string{from}, parts...)...) }
	old := unix.Timespec{Sec: 1e9}
	age := func(paths ...string) {
		for _, p := range paths {
			must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{old, old}, unix.AT_SYMLINK_NOFOLLOW))
		}
	}
	buildEverything(t, from)
	for _, d := range []string{"a", "b", "a/deep", "b/deep", "many", "gone/with/all"} {
		must(t, os.MkdirAll(at(d), 0o755))
	}
	for n := range 500 {
		writeFile(t, at("many", fmt.Sprint(n)), fmt.Sprint(n))
	}
	for _, f := range []string{"a/x", "b/x", "a/deep/x", "b/deep/x", "same", "mode", "xattr", "tofolder", "link1", "gone/with/all/file", "mapped", "renamed"} {
		writeFile(t, at(f), "content of "+f[:1])
	}
	age(at("a/x"), at("b/x"), at("a/deep/x"), at("b/deep/x"), at("same"), at("mapped"))
	must(t, os.Link(at("link1"), at("link2")))
	must(t, os.Link(at("link1"), at("link3")))
	must(t, os.Mkdir(at("tofile"), 0o755))
	writeFile(t, at("tofile", "below"), "x")
	must(t, os.Symlink("one", at("pointer")))
	pass := copyTree(t, from, to, hostfs.CopyOptions{})
	same(t, from, to)
	pass = copyTree(t, from, to, hostfs.CopyOptions{Before: pass, Delete: true})

	writeFile(t, at("same"), "CONTENT OF s") // the same size and time
	age(at("same"))
	must(t, os.Chmod(at("mode"), 0o4711))
	must(t, unix.Setxattr(at("xattr"), "user.new", []byte("v"), 0))
	must(t, unix.Setxattr(at("many"), "trusted.overlay.opaque", []byte("y"), 0))
	must(t, unix.Removexattr(at("layer", "opaque"), "trusted.overlay.opaque"))
	must(t, os.Remove(at("tofolder")))
	must(t, os.Mkdir(at("tofolder"), 0o700))
	writeFile(t, at("tofolder", "below"), "y")
	must(t, os.RemoveAll(at("tofile")))
	writeFile(t, at("tofile"), "now a file")
	must(t, os.Remove(at("pointer")))
	must(t, os.Symlink("two", at("pointer")))
	must(t, os.Rename(at("renamed"), at("renamed.to")))
	must(t, os.RemoveAll(at("gone")))
	must(t, os.Remove(at("many", "7")))
	must(t, unix.Mknod(at("many", "7"), unix.S_IFCHR, 0)) // deleted in a layer
	// Two folders change places. What is in them has the old times and the same sizes.
	must(t, unix.Renameat2(unix.AT_FDCWD, at("a"), unix.AT_FDCWD, at("b"), unix.RENAME_EXCHANGE))
	// One of three names becomes a file of its own, with everything else equal.
	must(t, exec.Command("cp", "-a", "--remove-destination", at("link2"), at("link3.tmp")).Run())
	must(t, os.Rename(at("link3.tmp"), at("link3")))
	chattr(t, "-i", at("layer", "immutable"), at("layer", "fixed"))
	writeFile(t, at("layer", "immutable"), "changed")
	writeFile(t, at("layer", "fixed", "another"), "new")
	must(t, os.Remove(at("layer", "fixed", "file")))
	chattr(t, "+i", at("layer", "immutable"), at("layer", "fixed"))
	storeMapped(t, at("mapped"))

	counts := &hostfs.CopyCounts{}
	copyTree(t, from, to, hostfs.CopyOptions{Before: pass, Delete: true, Counts: counts})
	same(t, from, to)
	if n := counts.Copied.Load(); n > 100 {
		t.Errorf("copied %d files for some 20 changes", n)
	}
}

// storeMapped changes a file by a store into memory.
func storeMapped(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR, 0)
	must(t, err)
	defer unix.Close(fd)
	m, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	m[0] = 'C'
	must(t, unix.Munmap(m))
}

// A tree that changes all the time is copied without error, and the pass after the last change makes both equal.
func TestCopyTreeWhileItChanges(t *testing.T) {
	enginetest.NeedRoot(t)
	from, to := filepath.Join(enginetest.Disk(t, 256<<20), "from"), enginetest.Disk(t, 256<<20)+"/to"
	must(t, os.Mkdir(from, 0o755))
	must(t, os.Mkdir(to, 0o755))
	ctx, stop := context.WithCancel(t.Context())
	var changers sync.WaitGroup
	for n := range 3 {
		changers.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				change(from, n, round)
			}
		})
	}
	var pass *hostfs.CopyPass
	for range 15 {
		pass = copyTree(t, from, to, hostfs.CopyOptions{Before: pass, Delete: true, Problem: func(string, error) {}})
	}
	stop()
	changers.Wait()
	copyTree(t, from, to, hostfs.CopyOptions{Before: pass, Delete: true})
	same(t, from, to)
}

// change does one of many things; most of them fail now and then, as others do the same.
func change(root string, seed, round int) {
	x := seed*7919 + round*104729
	pick := func(n int) int { x = (x*1103515245 + 12345) & 0x7fffffff; return x >> 8 % n % n }
	file := filepath.Join(root, fmt.Sprint("d", pick(5)), fmt.Sprint("f", pick(12)))
	other := filepath.Join(root, fmt.Sprint("d", pick(5)), fmt.Sprint("f", pick(12)))
	_ = os.MkdirAll(filepath.Dir(file), 0o755)
	_ = os.MkdirAll(filepath.Dir(other), 0o755)
	switch pick(11) {
	case 0, 1, 2:
		_ = os.WriteFile(file, []byte(strings.Repeat(fmt.Sprint(round), pick(20000))), 0o644)
	case 3:
		_ = os.Remove(file)
	case 4:
		_ = os.Rename(file, other)
	case 5:
		_ = os.Link(file, other)
	case 6:
		_ = unix.Renameat2(unix.AT_FDCWD, filepath.Dir(file), unix.AT_FDCWD, filepath.Dir(other), unix.RENAME_EXCHANGE)
	case 7:
		_ = os.Truncate(file, int64(pick(100000)))
	case 8:
		_ = os.RemoveAll(file)
		_ = os.Mkdir(file, 0o750)
		_ = os.WriteFile(filepath.Join(file, "below"), nil, 0o600)
	case 9:
		_ = os.Symlink("target", file)
	case 10:
		_ = unix.Lsetxattr(file, "trusted.x", []byte(fmt.Sprint(round)), 0)
	}
}

// What is mounted below is named and not entered; what is skipped is neither copied nor deleted.
func TestCopyTreeMountsAndSkips(t *testing.T) {
	enginetest.NeedRoot(t)
	from, to := t.TempDir(), t.TempDir()
	for _, d := range []string{from + "/mnt", to + "/lost+found"} {
		must(t, os.Mkdir(d, 0o755))
	}
	must(t, unix.Mount("none", from+"/mnt", "tmpfs", 0, ""))
	t.Cleanup(func() { enginetest.Unmount(t, from+"/mnt") })
	writeFile(t, from+"/mnt/inside", "x")
	writeFile(t, from+"/backingFsBlockDev", "x")
	writeFile(t, to+"/extra", "x")
	pass := copyTree(t, from, to, hostfs.CopyOptions{Delete: true, Skip: func(dir, name string, _ *hostfs.Stat) bool {
		return dir == "" && (name == "lost+found" || name == "backingFsBlockDev")
	}})
	if !slices.Equal(pass.Mounts, []string{"mnt"}) {
		t.Errorf("mounts are %q", pass.Mounts)
	}
	var names []string
	must(t, filepath.Walk(to, func(path string, _ os.FileInfo, err error) error {
		names = append(names, strings.TrimPrefix(path, to))
		return err
	}))
	if !slices.Equal(names, []string{"", "/lost+found", "/mnt"}) {
		t.Errorf("the copy has %q", names)
	}
}

// A target that is full or may not be written ends the copy with the reason; so does a cancel.
func TestCopyTreeEnds(t *testing.T) {
	enginetest.NeedRoot(t)
	from, small := t.TempDir(), enginetest.Disk(t, 8<<20)
	for n := range 40 {
		must(t, os.WriteFile(filepath.Join(from, fmt.Sprint(n)), make([]byte, 1<<20)[:1<<20-n], 0o644))
		must(t, exec.Command("dd", "if=/dev/urandom", "of="+filepath.Join(from, fmt.Sprint(n)), "bs=1M", "count=1", "status=none").Run())
	}
	fails := func(ctx context.Context, want error, o hostfs.CopyOptions) {
		t.Helper()
		if _, err := hostfs.CopyTree(ctx, openRoot(t, from), openRoot(t, small), o); !errors.Is(err, want) {
			t.Errorf("error is %v, want %v", err, want)
		}
	}
	fails(t.Context(), unix.ENOSPC, hostfs.CopyOptions{})
	must(t, unix.Mount("", small, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	fails(t.Context(), unix.EROFS, hostfs.CopyOptions{})
	must(t, unix.Mount("", small, "", unix.MS_REMOUNT, ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fails(ctx, context.Canceled, hostfs.CopyOptions{})
	limit := errors.New("limit")
	fails(t.Context(), limit, hostfs.CopyOptions{Limit: func(context.Context, int) error { return limit }})
}

// A target without extended attributes is a problem of the entries, and not silent.
func TestCopyTreeToAPoorTarget(t *testing.T) {
	enginetest.NeedRoot(t)
	from, to := t.TempDir(), t.TempDir()
	writeFile(t, from+"/f", "x")
	must(t, unix.Setxattr(from+"/f", "user.big", make([]byte, 3000), 0))
	must(t, unix.Mount("none", to, "ramfs", 0, ""))
	t.Cleanup(func() { enginetest.Unmount(t, to) })
	var mu sync.Mutex
	var problems []string
	copyTree(t, from, to, hostfs.CopyOptions{Problem: func(path string, err error) {
		mu.Lock()
		defer mu.Unlock()
		problems = append(problems, fmt.Sprintf("%s: %v", path, err))
	}})
	if len(problems) != 1 || !strings.HasPrefix(problems[0], "f: set xattr user.big") {
		t.Errorf("problems are %q", problems)
	}
}
