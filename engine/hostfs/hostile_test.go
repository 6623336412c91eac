//go:build linux

package hostfs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// While folders are swapped for symlinks to the outside, for files and for nothing, a walk sees nothing from outside,
// reports no problem, and everything that is left alone is there.
func TestWalkWhileFoldersAreSwapped(t *testing.T) {
	top := t.TempDir()
	outside, dir := filepath.Join(top, "outside"), filepath.Join(top, "root")
	must(t, os.MkdirAll(filepath.Join(outside, "sub"), 0o755))
	writeFile(t, filepath.Join(outside, "OUTSIDE"), "")
	writeFile(t, filepath.Join(outside, "sub", "OUTSIDE"), "")
	makeWideTree(t, dir, 400, 2)
	calm := filepath.Join(dir, "zz calm", "one", "two")
	must(t, os.MkdirAll(calm, 0o755))
	root := openRoot(t, dir)
	before := openFDs(t)
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() { swapFolders(stop, filepath.Join(dir, "top-07"), outside) })
	for range 60 {
		seen := walk(t, root, hostfs.WalkOptions{Workers: 3})
		if slices.ContainsFunc(seen, func(path string) bool { return filepath.Base(path) == "OUTSIDE" }) {
			t.Fatal("the walk left the root")
		}
		if !slices.Contains(seen, "zz calm/one/two") {
			t.Fatal("a folder that nobody touched is missing")
		}
	}
	close(stop)
	swapper.Wait()
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

// swapFolders keeps replacing a folder and one below it.
func swapFolders(stop <-chan struct{}, folder, outside string) {
	aside, inner := folder+".aside", filepath.Join(folder, "sub")
	os.Mkdir(inner, 0o755)
	for {
		select {
		case <-stop:
			return
		default:
		}
		os.Rename(folder, aside)
		os.Symlink(outside, folder)
		os.Remove(folder)
		os.WriteFile(folder, nil, 0o644)
		os.Remove(folder)
		os.Rename(aside, folder)
		os.Remove(inner)
		os.Symlink(outside, inner)
		os.Remove(inner)
		os.Mkdir(inner, 0o755)
	}
}

// A folder that is swapped for a symlink after it was seen and before it is opened leads nowhere, neither itself nor from
// further down. Skip runs in just that moment.
func TestWalkOfSwappedFolder(t *testing.T) {
	top := t.TempDir()
	outside, dir := filepath.Join(top, "outside"), filepath.Join(top, "root")
	must(t, os.MkdirAll(filepath.Join(outside, "OUTSIDE"), 0o755))
	for _, swapped := range []string{"a", "a/b", "a/b/c"} {
		must(t, os.RemoveAll(dir))
		must(t, os.MkdirAll(filepath.Join(dir, "a/b/c/d"), 0o755))
		must(t, os.Mkdir(filepath.Join(dir, "z"), 0o755))
		var once sync.Once
		swap := func(in, name string, _ *hostfs.Stat) bool {
			if filepath.Join(in, name) == swapped {
				once.Do(func() {
					must(t, os.Rename(filepath.Join(dir, swapped), filepath.Join(top, "aside")))
					must(t, os.Symlink(outside, filepath.Join(dir, swapped)))
				})
			}
			return false
		}
		seen := walk(t, openRoot(t, dir), hostfs.WalkOptions{Skip: swap})
		must(t, os.RemoveAll(filepath.Join(top, "aside")))
		want := []string{"", "a", "a/b", "a/b/c"}
		samePaths(t, seen, append(want[:slices.Index(want, swapped)+1], "z"))
	}
}

// OpenRegular opens regular files and nothing else, and does not hang on a fifo.
func TestOpenRegularRefuses(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "content")
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(t, unix.Mknod(filepath.Join(dir, "socket"), unix.S_IFSOCK|0o600, 0))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	want := map[string]error{
		"file": nil, "link": hostfs.ErrNotRegular, "fifo": hostfs.ErrNotRegular, "socket": hostfs.ErrNotRegular,
		"folder": hostfs.ErrNotRegular, "missing": os.ErrNotExist, "../file": hostfs.ErrName, "..": hostfs.ErrName,
		".": hostfs.ErrName, "": hostfs.ErrName, "folder/x": hostfs.ErrName, "file\x00": hostfs.ErrName,
	}
	if os.Geteuid() == 0 {
		must(t, unix.Mknod(filepath.Join(dir, "device"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))))
		want["device"] = hostfs.ErrNotRegular
	}
	d := openDir(t, dir)
	for name, reason := range want {
		fd, st, err := d.OpenRegular(name)
		if !errors.Is(err, reason) {
			t.Errorf("%q: %v, want %v", name, err, reason)
		}
		if err != nil {
			continue
		}
		buf := make([]byte, 100)
		n, err := unix.Read(fd, buf)
		if err != nil || string(buf[:n]) != "content" || st.Size != 7 {
			t.Errorf("%q: read %q of %d bytes, error %v", name, buf[:n], st.Size, err)
		}
		closeFD(t, fd)
	}
}

// Reading does not touch the access time.
func TestOpenRegularLeavesAtime(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	writeFile(t, path, "content")
	old := unix.Timespec{Sec: 1_000_000}
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{old, {Sec: 2_000_000}}, 0))
	fd, _, err := openDir(t, dir).OpenRegular("file")
	must(t, err)
	_, err = unix.Read(fd, make([]byte, 10))
	must(t, err)
	closeFD(t, fd)
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	if st.Atim != old {
		t.Errorf("access time %v, want %v", st.Atim, old)
	}
}

// OpenDir follows no symlink in any component and takes no path that leads out.
func TestOpenDirStaysBeneath(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "root/a/b"), 0o755))
	must(t, os.Symlink("../../..", filepath.Join(dir, "root/a/out")))
	must(t, os.Symlink("b", filepath.Join(dir, "root/a/in")))
	root := openRoot(t, filepath.Join(dir, "root"))
	for rel, good := range map[string]bool{
		"": true, "a": true, "a/b": true, "a/in": false, "a/out": false, "a/out/etc": false, "..": false,
		"a/../a": false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "missing": false,
	} {
		d, err := root.OpenDir(rel)
		if (err == nil) != good {
			t.Errorf("%q: error %v", rel, err)
		}
		if err == nil {
			d.Close()
		}
	}
}

// What cannot be read is a problem with its path, and the walk goes on. Run as somebody without rights.
func TestWalkReportsProblems(t *testing.T) {
	if os.Geteuid() == 0 {
		runAsNobody(t, "^TestWalkReportsProblems$")
		return
	}
	dir := t.TempDir()
	for _, name := range []string{"a", "closed/below", "z"} {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0))
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "closed"), 0o755) })
	var problems sync.Map
	var seen []string
	err := openRoot(t, dir).Walk(context.Background(), hostfs.WalkOptions{
		Problem: func(path string, err error) { problems.Store(path, err) },
	}, func(e *hostfs.Entry) error {
		seen = append(seen, e.Path())
		return nil
	})
	must(t, err)
	samePaths(t, seen, []string{"", "a", "closed", "z"})
	reason, ok := problems.Load("closed")
	if !ok || !errors.Is(reason.(error), unix.EACCES) {
		t.Errorf("problem of closed: %v", reason)
	}
}

// runAsNobody runs one test of this binary again as user 65534.
func runAsNobody(t *testing.T, test string) {
	t.Helper()
	enginetest.NeedRoot(t)
	dir := t.TempDir()
	must(t, errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755))) // whatever the umask
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	exe := filepath.Join(dir, "test")
	must(t, os.WriteFile(exe, self, 0o755))
	must(t, os.Chmod(exe, 0o755))
	work := filepath.Join(dir, "work")
	must(t, os.Mkdir(work, 0o755))
	must(t, os.Chown(work, 65534, 65534))
	cmd := exec.Command(exe, "-test.run", test, "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "TMPDIR="+work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as user 65534: %v\n%s", err, out)
	}
}
