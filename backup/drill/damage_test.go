package drill

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"davit/backup"
)

// One flipped byte in a blob: the drill fails, names the file, and does not start what needs it.
func testDamage(t *testing.T, h *realHost) {
	h.CLI(t, "volume", "create", "torn")
	h.CLI(t, "run", "--name", "torn", "-d", "--init", "-v", "torn:/torn", "shop/data:1", "sleep", "3600")
	h.CLI(t, "exec", "torn", "sh", "-c", "head -c 3000000 /dev/urandom > /torn/file; sync") // all of it is there before it is saved
	id := h.save(t, backup.Selection{Containers: []string{"torn"}})
	h.flip(t, id)
	report, err := h.drill(t, Options{})
	var failed *FailedError
	if !errors.As(err, &failed) {
		t.Fatalf("%v: %+v", err, report)
	}
	files := report.find("files", "volume/torn")
	if len(files) != 1 || files[0].Result != Fail || !strings.Contains(files[0].Detail, `"file"`) {
		t.Errorf("%+v", files)
	}
	if c := report.find("container", "container/torn"); len(c) != 1 || c[0].Result != Skip {
		t.Errorf("%+v", c)
	}
}

// flip flips a byte in the largest blob of the repository.
func (h *realHost) flip(t *testing.T, _ string) {
	t.Helper()
	var largest string
	var size int64
	blobs := filepath.Join(h.disk, "repo", "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() > size {
			largest, size = filepath.Join(blobs, e.Name()), info.Size()
		}
	}
	if err := os.Chmod(largest, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(largest, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, size/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b, size/2); err != nil {
		t.Fatal(err)
	}
}
