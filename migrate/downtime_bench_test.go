package migrate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
	"davit/migrate/preflight"
)

// silent is a Reporter for nobody.
type silent struct{}

func (silent) Start(int64, int64) {}
func (silent) Item(string)        {}
func (silent) Add(int64)          {}
func (silent) Say(string)         {}
func (silent) Down(time.Time)     {}

// BenchmarkDowntime is what happens to the files while the containers are down: after a warm pass and changes of one
// file in a hundred the last pass, on disk, and the comparison of all metadata. The usual way is all of rsync.
func BenchmarkDowntime(b *testing.B) {
	from, disk := enginetest.Disk(b, 1<<30), enginetest.Disk(b, 1<<30)
	random := makeFiles(b, from)
	s := preflight.Store{Name: preflight.StoreDataRoot, From: from, To: filepath.Join(disk, "davit")}
	j := &journal{now: time.Now, state: &State{Plan: Plan{Options: Options{Verify: VerifyMeta}}}}
	b.Run("davit", func(b *testing.B) {
		t, err := openTrees(s, j, silent{})
		check(b, err)
		defer t.close()
		_, err = t.copy(b.Context(), hostfs.CopyOptions{}, false, "")
		check(b, err)
		for b.Loop() {
			b.StopTimer()
			change(b, from, random)
			_, err = t.copy(b.Context(), hostfs.CopyOptions{}, false, "") // a warm pass
			check(b, err)
			check(b, t.dst.Syncfs())
			change(b, from, random)
			b.StartTimer()
			check(b, t.final(b.Context()))
			check(b, t.verify(b.Context(), VerifyMeta, ""))
		}
		check(b, hostfs.RemoveTree(s.To))
	})
	b.Run("rsync", func(b *testing.B) {
		to := filepath.Join(disk, "rsync")
		for b.Loop() {
			check(b, exec.Command("rsync", "-aHAXS", "--numeric-ids", from+"/", to+"/").Run())
			check(b, exec.Command("sync", "-f", to).Run())
			b.StopTimer()
			check(b, hostfs.RemoveTree(to))
			b.StartTimer()
		}
	})
}

const benchFiles = 20000

func benchFile(dir string, n int) string {
	return filepath.Join(dir, fmt.Sprint("layer", n%20), fmt.Sprint("dir", n/20%100), fmt.Sprint("file", n))
}

// makeFiles makes 20,000 files of 300 MB in all.
func makeFiles(b *testing.B, dir string) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 32<<20)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	for n := range benchFiles {
		path := benchFile(dir, n)
		check(b, os.MkdirAll(filepath.Dir(path), 0o755))
		size := int(rng.ExpFloat64() * 7000)
		if n%5000 == 0 {
			size = len(random)
		}
		check(b, os.WriteFile(path, random[:min(size, len(random))], 0o644))
	}
	return random
}

// change writes one file in a hundred anew.
func change(b *testing.B, dir string, random []byte) {
	for n := 50; n < benchFiles; n += 100 {
		check(b, os.WriteFile(benchFile(dir, n), random[rand.IntN(1<<20):][:7000], 0o644))
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
