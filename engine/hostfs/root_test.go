//go:build linux

package hostfs_test

import (
	"math"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// The tuples of a tmpfs are not trusted, and it has a name.
func TestFSType(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a tmpfs")
	}
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	root := openRoot(t, dir)
	name, trusted, err := root.FSType()
	if name != "tmpfs" || trusted || err != nil {
		t.Errorf("%s, trusted %v, error %v", name, trusted, err)
	}
	must(t, root.Syncfs())
}

// A root is the folder a symlink leads to.
func TestOpenRootFollowsItsOwnPath(t *testing.T) {
	dir := t.TempDir()
	link := dir + "/link"
	must(t, os.Symlink(dir, link))
	root := openRoot(t, link)
	got, err := root.Stat()
	must(t, err)
	want, err := openRoot(t, dir).Stat()
	must(t, err)
	if got != want || root.Path() != link {
		t.Errorf("%s is %+v, want %+v", root.Path(), got, want)
	}
}

// Times before 1970 and beyond what fits an int64 of nanoseconds convert and compare.
func TestTimespec(t *testing.T) {
	ordered := []hostfs.Timespec{
		{Sec: math.MinInt32}, {Sec: -1}, {Sec: -1, Nsec: 999_999_999}, {}, {Nsec: 1}, {Sec: 1 << 31}, {Sec: 1 << 36},
	}
	for i, early := range ordered {
		if hostfs.TimespecOf(early.Time()) != early || early.Time().Location() != time.UTC {
			t.Errorf("%v became %v", early, early.Time())
		}
		for j, late := range ordered {
			if early.Before(late) != (i < j) || early.Time().Before(late.Time()) != (i < j) {
				t.Errorf("%v before %v is %v", early, late, early.Before(late))
			}
		}
	}
}
