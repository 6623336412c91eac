//go:build linux

package hostfs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// BenchmarkCopyTree copies a tree like an engine's data-root to another ext4, sync included, and does the same with rsync and cp.
func BenchmarkCopyTree(b *testing.B) {
	from, disk := enginetest.Disk(b, 1<<30), enginetest.Disk(b, 1<<30)
	makeLayers(b, from)
	for _, tool := range []struct {
		name string
		run  func(to string) error
	}{
		{"davit", func(to string) error {
			_, err := hostfs.CopyTree(b.Context(), openRoot(b, from), openRoot(b, to), hostfs.CopyOptions{})
			return err
		}},
		{"rsync", func(to string) error { return exec.Command("rsync", "-aHAXS", "--numeric-ids", from+"/", to+"/").Run() }},
		{"cp", func(to string) error { return exec.Command("cp", "-a", from+"/.", to+"/").Run() }},
	} {
		b.Run(tool.name, func(b *testing.B) {
			for b.Loop() {
				to := filepath.Join(disk, "to")
				must(b, os.Mkdir(to, 0o755))
				must(b, tool.run(to))
				must(b, openRoot(b, to).Syncfs())
				b.StopTimer()
				must(b, os.RemoveAll(to))
				must(b, openRoot(b, disk).Syncfs())
				b.StartTimer()
			}
		})
	}
}

// BenchmarkCopyTreeAgain is a pass that finds nothing to do, and a comparison of all metadata.
func BenchmarkCopyTreeAgain(b *testing.B) {
	from, to := enginetest.Disk(b, 1<<30), enginetest.Disk(b, 1<<30)
	makeLayers(b, from)
	src, dst := openRoot(b, from), openRoot(b, to)
	pass, err := hostfs.CopyTree(b.Context(), src, dst, hostfs.CopyOptions{})
	must(b, err)
	pass, err = hostfs.CopyTree(b.Context(), src, dst, hostfs.CopyOptions{Before: pass})
	must(b, err)
	b.Run("pass", func(b *testing.B) {
		for b.Loop() {
			_, err := hostfs.CopyTree(b.Context(), src, dst, hostfs.CopyOptions{Before: pass, Delete: true})
			must(b, err)
		}
	})
	b.Run("compare", func(b *testing.B) {
		for b.Loop() {
			c, err := hostfs.CompareTree(b.Context(), src, dst, hostfs.CompareOptions{})
			if err != nil || c.Differences > 0 {
				b.Fatal(c, err)
			}
		}
	})
	b.Run("rsync", func(b *testing.B) {
		for b.Loop() {
			must(b, exec.Command("rsync", "-aHAXS", "--numeric-ids", "--delete", from+"/", to+"/").Run())
		}
	})
}

// makeLayers makes 20,000 files of 300 MB in all: most of them small, some linked, some with attributes, one with holes.
func makeLayers(b *testing.B, dir string) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 32<<20)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	for n := range 20000 {
		folder := filepath.Join(dir, fmt.Sprint("layer", n%20), fmt.Sprint("dir", n/20%100))
		must(b, os.MkdirAll(folder, 0o755))
		path := filepath.Join(folder, fmt.Sprint("file", n))
		size := int(rng.ExpFloat64() * 7000)
		if n%5000 == 0 {
			size = len(random)
		}
		must(b, os.WriteFile(path, random[:min(size, len(random))], 0o644))
		switch {
		case n%100 == 1:
			must(b, os.Link(path, path+".link"))
		case n%100 == 2:
			must(b, unix.Setxattr(path, "security.capability", []byte("\x01\x00\x00\x02\x00 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
		case n%100 == 3:
			must(b, unix.Mknod(path+".wh", unix.S_IFCHR, 0))
		}
	}
	must(b, os.WriteFile(filepath.Join(dir, "sparse"), random[:4096], 0o644))
	must(b, os.Truncate(filepath.Join(dir, "sparse"), 1<<30))
	must(b, openRoot(b, dir).Syncfs())
}
