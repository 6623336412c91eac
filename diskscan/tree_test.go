package diskscan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// A tree has every entry once, at its path, and the sums of du in each folder.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	enginetest.BuildTree(t, dir)
	must(t, os.WriteFile(filepath.Join(dir, "latin-\xe9\x1b[31m"), make([]byte, 10_000), 0o600))
	for i := range 9000 { // a folder of several buffers, seen by several workers
		must(t, os.Symlink("x", filepath.Join(dir, fmt.Sprintf("link-%05d", i))))
	}
	result := scanFolder(t, diskscan.ScanOptions{Tree: true}, dir)
	roots := result.Tree.Roots()
	if len(roots) != 1 || roots[0].Path() != dir || roots[0].Usage().Bytes != result.Total.Bytes || roots[0].Usage().Inodes < result.Total.Inodes {
		t.Fatalf("roots %v, total %+v", roots, result.Total)
	}
	seen := map[string]bool{}
	var look func(n diskscan.Node) (inodes int64)
	look = func(n diskscan.Node) int64 {
		path, sum := n.Path(), int64(1)
		info, err := os.Lstat(path)
		if err != nil || seen[path] || info.IsDir() != n.IsFolder() || max(info.ModTime().Unix(), 0) != n.Modified().Unix() {
			t.Errorf("%q: seen %v, %v", path, seen[path], err)
		}
		seen[path] = true
		for _, c := range n.Children() {
			if up, ok := c.Parent(); !ok || up != n {
				t.Errorf("%q is not below %q", c.Path(), path)
			}
			sum += look(c)
		}
		if n.Usage().Inodes != sum {
			t.Errorf("%q has %d inodes, want %d", path, n.Usage().Inodes, sum)
		}
		return sum
	}
	look(roots[0])
	walked := 0
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if walked++; !seen[path] {
			t.Errorf("%q is not in the tree", path)
		}
		return err
	}))
	if walked != len(seen) {
		t.Errorf("%d entries, want %d", len(seen), walked)
	}
}

// The places of an owner are the topmost of what it has.
func TestTreePlaces(t *testing.T) {
	root := t.TempDir()
	makeDataRoot(t, root)
	s := &diskscan.Survey{Paths: []string{root}, Now: time.Now}
	r := s.Start()
	s.Attribute(t.Context(), r)
	must(t, s.Scan(t.Context(), r, diskscan.ScanOptions{Tree: true}))
	for i := range r.Owners {
		sum := diskscan.Usage{}
		for _, p := range r.Tree.Places(&r.Owners[i]) {
			sum.Bytes += own(p, p.Owner()).Bytes
		}
		if sum.Bytes != r.Owners[i].Bytes {
			t.Errorf("places of %s %s have %d bytes, want %d", r.Owners[i].Kind, r.Owners[i].Name, sum.Bytes, r.Owners[i].Bytes)
		}
	}
	volume := ownerOf(r, diskscan.Volume, "data")
	if places := r.Tree.Places(volume); len(places) != 1 || places[0].Path() != filepath.Join(root, "volumes/data") {
		t.Errorf("places of the volume: %v", places)
	}
}

// own is what a node takes without what belongs to other owners.
func own(n diskscan.Node, owner diskscan.Owner) diskscan.Usage {
	u := n.Usage()
	for _, c := range n.Children() {
		if is := c.Owner(); is.Kind == owner.Kind && is.Name == owner.Name && is.ID == owner.ID {
			u.Bytes += own(c, owner).Bytes
		}
		u.Bytes -= c.Usage().Bytes
	}
	return u
}

// Of many files in one folder a scan keeps nothing, and a tree at most 64 bytes for each.
func TestMemoryOfHugeFolder(t *testing.T) {
	disk := enginetest.Disk(t, 2600<<20)
	const files = 150_000
	for i := range files {
		must(t, os.Symlink("x", filepath.Join(disk, fmt.Sprintf("some-longer-file-name-%07d", i))))
	}
	t.Run("scan", func(t *testing.T) {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		result := scanFolder(t, diskscan.ScanOptions{Top: 20}, disk)
		runtime.ReadMemStats(&after)
		if result.Total.Inodes < files {
			t.Errorf("%d inodes", result.Total.Inodes)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 5<<20 {
			t.Errorf("%d bytes allocated for %d files", grown, files)
		}
	})
	t.Run("tree", func(t *testing.T) {
		before := heap()
		result := scanFolder(t, diskscan.ScanOptions{Top: 20, Tree: true}, disk)
		each := float64(heap()-before) / files
		t.Logf("%.1f bytes for each file", each)
		if each > 64 || each < 20 {
			t.Errorf("%.1f bytes for each file", each)
		}
		runtime.KeepAlive(result)
	})
}

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	for range 2 { // what is in pools goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
