package diskscan_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// A file whose blocks another one shares is marked, whichever of the two came first; a copy is not.
func TestSharedBlocks(t *testing.T) {
	disk := enginetest.DiskOf(t, 320<<20, "mkfs.xfs", "-q", "-m", "reflink=1")
	noise := make([]byte, 3<<20)
	_, _ = rand.Read(noise)
	for _, name := range []string{"first", "alone"} {
		must(t, os.WriteFile(filepath.Join(disk, name), noise, 0o600))
	}
	from, err := os.Open(filepath.Join(disk, "first"))
	must(t, err)
	defer from.Close()
	to, err := os.Create(filepath.Join(disk, "clone"))
	must(t, err)
	defer to.Close()
	must(t, unix.IoctlFileClone(int(to.Fd()), int(from.Fd())))
	syncDisk(t, disk)

	report := survey(t, &diskscan.Survey{Paths: []string{disk}})
	shared := map[string]bool{}
	for _, f := range report.Files {
		shared[filepath.Base(f.Path)] = f.Shared
	}
	if len(shared) != 3 || !shared["first"] || !shared["clone"] || shared["alone"] {
		t.Errorf("files that share blocks: %v", shared)
	}
	if bytes, _ := du(t, disk); report.Total.Bytes != bytes { // du counts shared blocks for each file, too
		t.Errorf("total %d, du says %d", report.Total.Bytes, bytes)
	}
}
