package preflight

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"
	"davit/engine/systemd"
)

// fakeUnits knows the units it was given; all others do not exist.
type fakeUnits map[string]systemd.Unit

func (u fakeUnits) Unit(_ context.Context, name string) (systemd.Unit, error) {
	if unit, ok := u[name]; ok {
		return unit, nil
	}
	return systemd.Unit{Name: name, Load: "not-found"}, nil
}

// disk mounts a small file system; what it is on and the mount are gone at the end of the test.
func disk(t *testing.T, size, options string, mkfs ...string) string {
	t.Helper()
	base := enginetest.Disk(t, 512<<20)
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "mnt")
	do(t, "truncate", "-s", size, image)
	do(t, mkfs[0], append(mkfs[1:], image)...)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, "mount", "-o", "loop,"+options, image, dir)
	t.Cleanup(func() { enginetest.Unmount(t, dir) })
	return dir
}

func do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// checks looks at one destination for a data-root of a few files, and returns the findings by check.
func checks(t *testing.T, to string, r Request) map[string]Finding {
	t.Helper()
	f := good()
	from := t.TempDir()
	write(t, from, "file", strings.Repeat("x", 100_000))
	f.stores[0].From, f.stores[0].To, f.dests = from, to, nil
	var err error
	if f.mounts, err = mountsNow(); err != nil {
		t.Fatal(err)
	}
	r.To = to
	h := Host{Units: fakeUnits{}, Now: now}
	for _, step := range []func(context.Context, Host, Request) error{f.lookAtDestinations, f.measure} {
		if err := step(context.Background(), h, r); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]Finding{}
	for _, one := range judge(f, r, now()).Findings {
		if old, ok := found[one.Check]; !ok || old.Level == OK {
			found[one.Check] = one
		}
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), probePrefix+"*"))
	more, _ := filepath.Glob(filepath.Join(to, probePrefix+"*"))
	if left = append(left, more...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return found
}

func want(t *testing.T, found map[string]Finding, check string, level Level, words string) {
	t.Helper()
	if f := found[check]; f.Level != level || !strings.Contains(f.What, words) {
		t.Errorf("%s: %+v, want %s with %q\nall: %+v", check, f, level, words, found)
	}
}

func TestRealFileSystems(t *testing.T) {
	enginetest.NeedRoot(t)
	t.Run("ext4", func(t *testing.T) {
		dir := enginetest.Disk(t, 512<<20)
		for _, to := range []string{dir, dir + "/new"} { // lost+found does not count
			found := checks(t, to, Request{WriteMountUnit: true})
			want(t, found, "destination-empty", OK, to)
			want(t, found, "probe", OK, "whiteouts")
			want(t, found, "space", OK, "are needed")
			want(t, found, "boot", OK, "the run writes /etc/systemd/system/")
		}
		found := checks(t, dir+"/new", Request{})
		want(t, found, "boot", Refusal, "empty folder")
		write(t, dir, "photo", "")
		want(t, checks(t, dir, Request{}), "destination-empty", Refusal, "photo")
		want(t, checks(t, dir, Request{Own: []string{dir}}), "destination-empty", OK, "gone on with")
		want(t, checks(t, dir+"/photo/new", Request{}), "destination", Refusal, "not a directory")
		want(t, checks(t, dir+"/a/b/c", Request{}), "destination", Refusal, "there is no folder")
		if err := os.Symlink(dir, dir+"/link"); err != nil {
			t.Fatal(err)
		}
		found = checks(t, dir+"/link/new", Request{})
		want(t, found, "destination", Refusal, "symlink")
		if hint := found["destination"].Hint; hint != "use --to "+dir+"/new" {
			t.Error(hint)
		}
	})
	t.Run("xfs", func(t *testing.T) {
		dir := disk(t, "320M", "rw", "mkfs.xfs", "-q")
		found := checks(t, dir+"/new", Request{})
		want(t, found, "probe", OK, "on xfs")
		f := probe(context.Background(), dir)
		if !f.reflink || f.rate <= 0 {
			t.Errorf("%+v", f)
		}
	})
	t.Run("without attributes", func(t *testing.T) { // as vfat, where the name of the file system says nothing
		dir := t.TempDir()
		do(t, "mount", "-t", "ramfs", "none", dir)
		t.Cleanup(func() { enginetest.Unmount(t, dir) })
		f := probe(context.Background(), dir)
		if len(f.failures) == 0 || !strings.Contains(f.failures[0], "extended attributes of") {
			t.Errorf("%+v", f)
		}
	})
	t.Run("small", func(t *testing.T) {
		dir := enginetest.Disk(t, 16<<20)
		want(t, checks(t, dir, Request{}), "space", Refusal, "are needed")
	})
	t.Run("few inodes", func(t *testing.T) {
		dir := disk(t, "400M", "rw", "mkfs.ext4", "-q", "-N", "64")
		want(t, checks(t, dir, Request{}), "inodes", Refusal, "inodes free")
	})
	t.Run("noexec", func(t *testing.T) {
		dir := disk(t, "64M", "noexec,nosuid", "mkfs.ext4", "-q")
		want(t, checks(t, dir, Request{}), "mount-options", Refusal, "noexec")
	})
	t.Run("read-only", func(t *testing.T) {
		dir := disk(t, "64M", "ro", "mkfs.ext4", "-q")
		found := checks(t, dir, Request{})
		want(t, found, "mount-options", Refusal, "read-only")
	})
	t.Run("tmpfs", func(t *testing.T) {
		want(t, checks(t, "/dev/shm/davit-none", Request{}), "filesystem", Refusal, "in memory")
	})
}

// A destination is in the source by whichever path.
func TestInside(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := enginetest.Disk(t, 64<<20)
	for _, d := range []string{"/root/sub", "/root2", "/bound"} {
		if err := os.MkdirAll(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	do(t, "mount", "--bind", dir+"/root", dir+"/bound")
	t.Cleanup(func() { enginetest.Unmount(t, dir+"/bound") })
	f := good()
	f.stores[0].From = dir + "/root"
	for to, inside := range map[string]bool{
		dir + "/root": true, dir + "/root/sub": true, dir: true, dir + "/bound/sub": true, dir + "/root2": false,
	} {
		if got := f.overlap(to, to); (got != "") != inside {
			t.Errorf("%s: %q", to, got)
		}
	}
}

// Names of one file count once, and what is mounted below does not.
func TestMeasure(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := enginetest.Disk(t, 64<<20)
	write(t, dir, "a", strings.Repeat("x", 1<<20))
	if err := os.Link(dir+"/a", dir+"/b"); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(write(t, dir, "holes", ""), 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/m", 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, "mount", "-t", "tmpfs", "none", dir+"/m")
	t.Cleanup(func() { enginetest.Unmount(t, dir+"/m") })
	write(t, dir+"/m", "c", "hidden")
	s := storeFacts{Store: Store{From: dir}}
	if err := size(context.Background(), &s, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	// the root, lost+found, a, holes, m
	if s.Files != 5 || s.Bytes < 1<<20 || s.Bytes > 1<<20+64<<10 || s.Apparent != 1<<20+1<<30 {
		t.Errorf("%+v", s.Store)
	}
}
