package chunk_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

// comparedTree is a small tree with a big file, a sparse one and links, saved.
func comparedTree(t *testing.T) (store, ocispec.Descriptor) {
	t.Helper()
	src := t.TempDir()
	big := filepath.Join(src, "big")
	if err := errors.Join(os.WriteFile(big, noiseFile(5<<20), 0o640), os.Chmod(big, 0o640)); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(src, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{64 << 10, 2 << 20} {
		if _, err := f.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src, "plain"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(src, "plain"), filepath.Join(src, "plain2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("plain", filepath.Join(src, "sym")); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	_, item := save(t, s, src, chunk.OpenCache("", "test"), chunk.SaveOptions{})
	return s, item
}

func noiseFile(n int) []byte {
	data, x := make([]byte, n), uint64(88172645463325252)
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x)
	}
	return data
}

func compare(t *testing.T, s store, item ocispec.Descriptor, dir, path string) *chunk.CompareResult {
	t.Helper()
	result, err := chunk.Compare(t.Context(), s, item, openRoot(t, dir), chunk.CompareOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// A restored tree is what the snapshot holds; each single thing that is changed on disk is found, and nothing else.
func TestCompare(t *testing.T) {
	s, item := comparedTree(t)
	good := restore(t, s, item, chunk.RestoreOptions{})
	if r := compare(t, s, item, good, ""); len(r.Differences) != 0 || r.Entries == 0 || r.Chunks == 0 || r.Bytes < 5<<20 {
		t.Fatalf("a good restore: %+v", r)
	}
	at := unix.Timespec{Sec: 1}
	keepTime := func(p string, do func() error) error {
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		return errors.Join(do(), unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{st.Mtim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW))
	}
	write := func(p, name string, at int64, data string) error {
		return keepTime(filepath.Join(p, name), func() error {
			f, err := os.OpenFile(filepath.Join(p, name), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte(data), at)
			return errors.Join(err, f.Close())
		})
	}
	for name, test := range map[string]struct {
		edit func(dir string) error
		want string // "path: what"
	}{
		"content":     {func(d string) error { return write(d, "plain", 1, "u") }, "plain: content differs"},
		"big content": {func(d string) error { return write(d, "big", 4<<20, "x") }, "big: content differs"},
		"hole":        {func(d string) error { return write(d, "holes", 1<<20, "x") }, "holes: a hole holds data"},
		"cut short": {func(d string) error {
			return keepTime(d+"/big", func() error { return os.Truncate(d+"/big", 5<<20-1) })
		}, "big: size was 5242880, is 5242879"},
		"mode":  {func(d string) error { return os.Chmod(d+"/big", 0o600) }, "big: mode was 640, is 600"},
		"owner": {func(d string) error { return os.Lchown(d+"/sym", 7, 8) }, "sym: owner was 0:0, is 7:8"},
		"mtime": {func(d string) error {
			return unix.UtimesNanoAt(unix.AT_FDCWD, d+"/big", []unix.Timespec{at, at}, 0)
		}, "big: mtime was"},
		"attribute": {func(d string) error { return unix.Setxattr(d+"/big", "user.more", []byte("1"), 0) }, "big: attribute user.more was not there"},
		"target": {func(d string) error {
			return keepTime(d, func() error {
				return keepTime(d+"/sym", func() error { return errors.Join(os.Remove(d+"/sym"), os.Symlink("other", d+"/sym")) })
			})
		}, `sym: target was "plain", is "other"`},
		"link broken": {func(d string) error {
			return keepTime(d, func() error {
				return errors.Join(os.Remove(d+"/plain2"), exec.Command("cp", "-a", d+"/plain", d+"/plain2").Run())
			})
		}, `plain2: is not a link of "plain"`},
		"missing": {func(d string) error { return keepTime(d, func() error { return os.Remove(d + "/big") }) }, "big: is missing"},
		"more": {func(d string) error {
			return keepTime(d, func() error { return os.WriteFile(d+"/extra", nil, 0o644) })
		}, ": holds 1 more than the snapshot"},
		"type": {func(d string) error {
			return keepTime(d, func() error { return errors.Join(os.Remove(d+"/big"), os.Mkdir(d+"/big", 0o640)) })
		}, "big: type was 100000, is 40000"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := restore(t, s, item, chunk.RestoreOptions{})
			if err := test.edit(dir); err != nil {
				t.Fatal(err)
			}
			r := compare(t, s, item, dir, "")
			if len(r.Differences) != 1 || !strings.HasPrefix(r.Differences[0].Path+": "+r.Differences[0].What, test.want) {
				t.Errorf("found %+v, want %s", r.Differences, test.want)
			}
		})
	}
}

// A tree with every kind of entry is what it was.
func TestCompareEveryKind(t *testing.T) {
	src := t.TempDir()
	enginetest.BuildTree(t, src)
	s := newStore(t)
	_, item := save(t, s, src, chunk.OpenCache("", "test"), chunk.SaveOptions{})
	if r := compare(t, s, item, restore(t, s, item, chunk.RestoreOptions{}), ""); len(r.Differences) != 0 {
		t.Errorf("%+v", r.Differences)
	}
}

// What was restored of a path inside is compared alone.
func TestComparePath(t *testing.T) {
	s, item := comparedTree(t)
	dir := restore(t, s, item, chunk.RestoreOptions{Path: "big"})
	if r := compare(t, s, item, dir, "big"); len(r.Differences) != 0 || r.Entries != 1 || r.Files != 1 {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(filepath.Join(dir, "extra"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := compare(t, s, item, dir, "big"); len(r.Differences) != 1 {
		t.Errorf("%+v", r)
	}
}

// Damage ends a comparison and is told as such, not as a difference.
func TestCompareDamage(t *testing.T) {
	s, item := comparedTree(t)
	dir := restore(t, s, item, chunk.RestoreOptions{})
	parts := partsOf(t, s, item)
	layers, err := chunk.Layers(t.Context(), s, parts[0])
	if err != nil {
		t.Fatal(err)
	}
	other := damagedReader{store: s, bad: layers[len(layers)/2].Digest}
	_, err = chunk.Compare(t.Context(), other, item, openRoot(t, dir), chunk.CompareOptions{})
	var damaged *repo.DamagedError
	if !errors.As(err, &damaged) {
		t.Errorf("error is %v", err)
	}
}

// damagedReader knows another id for the content of one blob than the snapshot does.
type damagedReader struct {
	store
	bad repo.Digest
}

func (d damagedReader) ContentID(plain []byte) repo.ID {
	id := d.store.ContentID(plain)
	if blob, ok := d.Lookup(id); ok && blob.Digest == d.bad {
		id[0]++
	}
	return id
}
