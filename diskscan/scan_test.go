package diskscan_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/diskscan"
	"davit/engine/enginetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// du is what GNU du says of a folder: bytes on disk, and inodes.
func du(t testing.TB, dir string) (bytes, inodes int64) {
	t.Helper()
	ask := func(flags ...string) int64 {
		out, err := exec.Command("du", append(flags, "-x", "-s", "--", dir)...).Output()
		must(t, err)
		n, err := strconv.ParseInt(strings.Fields(string(out))[0], 10, 64)
		must(t, err)
		return n
	}
	return ask("--block-size=1"), ask("--inodes")
}

// whileStill looks at folders, of which nobody but an engine writes, while du says the same of them before and after,
// and returns what it says. What was written is on the disk then: a file that is being written out has, for a moment or
// for good, other blocks than before.
func whileStill(t testing.TB, look func(), dirs ...string) (bytes, inodes int64) {
	t.Helper()
	sum := func() (bytes, inodes int64) {
		for _, dir := range dirs {
			syncDisk(t, dir)
			b, n := du(t, dir)
			bytes, inodes = bytes+b, inodes+n
		}
		return bytes, inodes
	}
	for end := time.Now().Add(time.Minute); ; {
		bytes, inodes = sum()
		look()
		if b, n := sum(); b == bytes && n == inodes || time.Now().After(end) {
			return bytes, inodes
		}
	}
}

func scanFolder(t testing.TB, o diskscan.ScanOptions, dirs ...string) *diskscan.Result {
	t.Helper()
	for _, dir := range dirs {
		o.Targets = append(o.Targets, diskscan.Target{Path: dir})
	}
	result, err := diskscan.Scan(t.Context(), o)
	must(t, err)
	return result
}

func agreesWithDu(t testing.TB, dir string) *diskscan.Result {
	t.Helper()
	syncDisk(t, dir)
	result := scanFolder(t, diskscan.ScanOptions{Folders: true, Types: true, Top: 10}, dir)
	bytes, inodes := du(t, dir)
	if result.Total.Bytes != bytes || result.Total.Inodes != inodes {
		t.Errorf("%d bytes and %d inodes, du says %d and %d", result.Total.Bytes, result.Total.Inodes, bytes, inodes)
	}
	if folders := result.Folders[0].Usage; folders != result.Total {
		t.Errorf("the folders sum up to %+v, the total is %+v", folders, result.Total)
	}
	return result
}

// Totals are those of du: in a tree with everything (hard links, sparse files, devices, names of any bytes, loops of
// symlinks), and below it a bind mount, an overlay mount and one that hides bytes.
func TestTotalsAreDus(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := t.TempDir()
	enginetest.BuildTree(t, dir)
	must(t, os.Symlink("loop-b", filepath.Join(dir, "loop-a")))
	must(t, os.Symlink("loop-a", filepath.Join(dir, "loop-b")))
	must(t, os.Symlink("..", filepath.Join(dir, "up")))
	must(t, os.WriteFile(filepath.Join(dir, "latin-\xe9\x1b[31m"), make([]byte, 10_000), 0o600))
	agreesWithDu(t, dir)

	for _, name := range []string{"hidden", "bind", "lower", "upper", "work", "merged"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(dir, "hidden", "below"), make([]byte, 100_000), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "lower", "file"), make([]byte, 100_000), 0o600))
	before := agreesWithDu(t, dir).Total
	mount(t, "tmpfs", filepath.Join(dir, "hidden"), "tmpfs", "size=1m")
	must(t, os.WriteFile(filepath.Join(dir, "hidden", "above"), make([]byte, 5_000), 0o600))
	mount(t, "overlay", filepath.Join(dir, "merged"), "overlay",
		fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir))
	after := agreesWithDu(t, dir).Total
	if want := before.Inodes - 3; after.Inodes != want+1 { // three are below mounts; the overlay makes one in work
		t.Errorf("%d inodes with mounts, %d without", after.Inodes, before.Inodes)
	}
	r := survey(t, &diskscan.Survey{Paths: []string{dir}})
	if len(r.Hidden) != 1 || r.Hidden[0].MountPoint != filepath.Join(dir, "hidden") || r.Hidden[0].Bytes < 100_000 {
		t.Errorf("hidden: %+v", r.Hidden)
	}
	// du enters a bind mount of the same device, and counts what it has counted already.
	mount(t, filepath.Join(dir, "lower"), filepath.Join(dir, "bind"), "", "")
	if bound := scanFolder(t, diskscan.ScanOptions{}, dir).Total; bound.Inodes != after.Inodes-1 {
		t.Errorf("%d inodes with a bind mount, %d before", bound.Inodes, after.Inodes)
	}
}

func mount(t *testing.T, source, target, kind, data string) {
	t.Helper()
	flags := uintptr(0)
	if kind == "" {
		flags = unix.MS_BIND
	}
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		t.Fatalf("mount %s on %s: %v", kind, target, err)
	}
	t.Cleanup(func() { enginetest.Unmount(t, target) })
}

// Hard links count once, whatever the order they are found in, and always for the same owner.
func TestHardLinksHaveOneOwner(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	for i := range 200 {
		name := fmt.Sprint(i)
		must(t, os.WriteFile(filepath.Join(dir, "b", name), make([]byte, 5000), 0o600))
		must(t, os.Link(filepath.Join(dir, "b", name), filepath.Join(dir, "c", name)))
		must(t, os.Link(filepath.Join(dir, "b", name), filepath.Join(dir, "a", name)))
	}
	for range 20 {
		places := diskscan.NewPlaceMap(diskscan.Owner{Kind: diskscan.Folder, Name: "rest"})
		for _, name := range []string{"a", "b", "c"} {
			places.Claim(name, diskscan.Owner{Kind: diskscan.Folder, Name: name})
		}
		result, err := diskscan.Scan(t.Context(), diskscan.ScanOptions{
			Targets: []diskscan.Target{{Path: dir, Places: places}}, Folders: true, Workers: 8,
		})
		must(t, err)
		inodes := map[string]int64{}
		for _, o := range result.Owners {
			inodes[o.Name] = o.Inodes
		}
		if inodes["a"] != 201 || inodes["b"] != 1 || inodes["c"] != 1 || inodes["rest"] != 1 {
			t.Fatalf("inodes: %v", inodes)
		}
		for _, f := range result.Folders[0].Children {
			if want := inodes[filepath.Base(f.Path)]; f.Inodes != want {
				t.Fatalf("folder %s has %d inodes, want %d", f.Path, f.Inodes, want)
			}
		}
	}
}

// The files are those that find, du and sort name.
func TestLargestFiles(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-48 * time.Hour)
	for i := range 300 {
		path := filepath.Join(dir, fmt.Sprint(i%7), fmt.Sprintf("file-%d.bin", i))
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, make([]byte, 4096*(i*37%300)), 0o600))
		if i%3 == 0 {
			must(t, os.Chtimes(path, old, old))
		}
	}
	syncDisk(t, dir)
	out, err := exec.Command("sh", "-c", `cd "$1" && find . -type f -size +800k -exec du -k {} + | LC_ALL=C sort -k1,1nr -k2 | head -20`, "sh", dir).Output()
	must(t, err)
	var want []string
	for line := range strings.Lines(string(out)) {
		want = append(want, filepath.Join(dir, strings.Fields(line)[1]))
	}
	got := scanFolder(t, diskscan.ScanOptions{Top: 20, MinSize: 800<<10 + 1}, dir)
	if paths := filePaths(got.Files); len(want) != 20 || !slices.Equal(paths, want) {
		t.Errorf("files %v\nwant %v", paths, want)
	}
	aged := scanFolder(t, diskscan.ScanOptions{Top: 1000, MinSize: 1, Before: time.Now().Add(-24 * time.Hour)}, dir)
	for _, f := range aged.Files {
		if !f.Modified.Equal(old.UTC()) {
			t.Errorf("%s was modified %s", f.Path, f.Modified)
		}
	}
	if len(aged.Files) < 90 {
		t.Errorf("%d old files", len(aged.Files))
	}
}

func filePaths(files []diskscan.File) []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths
}

// A sparse file and one with several links are marked, and counted by their blocks.
func TestMarks(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "sparse"), []byte("x"), 0o600))
	must(t, os.Truncate(filepath.Join(dir, "sparse"), 1<<30))
	must(t, os.WriteFile(filepath.Join(dir, "linked"), make([]byte, 50_000), 0o600))
	must(t, os.Link(filepath.Join(dir, "linked"), filepath.Join(dir, "linked2")))
	files := agreesWithDu(t, dir).Files
	if len(files) != 2 || files[0].Links != 2 || files[0].Sparse || !files[1].Sparse || files[1].Apparent != 1<<30 {
		t.Errorf("files %+v", files)
	}
}

// Types are endings of names whatever their case; what is no ending is none.
func TestTypes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.LOG", "c.txt", ".hidden", "noending", "v1.2.3 beta", "x.", "y.verylongendingindeed"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	got := map[string]int64{}
	for _, u := range scanFolder(t, diskscan.ScanOptions{Types: true}, dir).Types {
		got[u.Type] = u.Inodes
	}
	if fmt.Sprint(got) != fmt.Sprint(map[string]int64{".log": 2, ".txt": 1, "": 5}) {
		t.Errorf("types %v", got)
	}
}

// Folders that cannot be read and targets that are not there are problems; the rest is counted.
func TestProblems(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	result := scanFolder(t, diskscan.ScanOptions{}, filepath.Join(dir, "none"), filepath.Join(dir, "file"), dir)
	if result.Scanned != 1 || result.ProblemCount != 2 || result.Total.Inodes != 2 {
		t.Errorf("result %+v", result)
	}
	for i, want := range []error{fs.ErrNotExist, unix.ENOTDIR} {
		if p := result.Problems[i]; !strings.Contains(want.Error(), p.Reason) && p.Reason != "no such file or directory" {
			t.Errorf("problem %v, want %v", p, want)
		}
	}
}

// A container that swaps folders for symlinks while it is scanned adds nothing from outside.
func TestSwappedFolders(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	for i := range 50 {
		must(t, os.WriteFile(filepath.Join(outside, fmt.Sprint(i)), make([]byte, 1<<20), 0o600))
	}
	for i := range 200 {
		must(t, os.MkdirAll(filepath.Join(dir, fmt.Sprint(i), "sub"), 0o755))
	}
	ctx, cancel := context.WithCancel(t.Context())
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		for i := 0; ctx.Err() == nil; i = (i + 1) % 200 {
			path := filepath.Join(dir, fmt.Sprint(i), "sub")
			_ = os.Rename(path, path+"-away")
			_ = os.Symlink(outside, path)
			_ = os.Remove(path)
			_ = os.Rename(path+"-away", path)
		}
	}()
	defer func() { cancel(); <-swapped }()
	for range 50 {
		if total := scanFolder(t, diskscan.ScanOptions{}, dir).Total; total.Bytes > 401*8192 {
			t.Fatalf("%d bytes: something outside was counted", total.Bytes)
		}
	}
}

// A cancelled scan ends with the reason.
func TestScanCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	_, err := diskscan.Scan(ctx, diskscan.ScanOptions{Targets: []diskscan.Target{{Path: t.TempDir()}}})
	if !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

// BenchmarkScan scans the folder that DISKSCAN_BENCH names.
func BenchmarkScan(b *testing.B) {
	dir := os.Getenv("DISKSCAN_BENCH")
	if dir == "" {
		b.Skip("DISKSCAN_BENCH names no folder")
	}
	for b.Loop() {
		scanFolder(b, diskscan.ScanOptions{Top: 20}, dir)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}
