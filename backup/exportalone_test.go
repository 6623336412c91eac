package backup

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// After a backup of images that share a layer, removing them frees it: a nightly backup must not
// make the engine hold on to what somebody deletes to get room.
func TestExportLetsLayersGo(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{Version: "28.5"})
	noise := make([]byte, 8<<20)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	h.MakeImage(t, "shared:1", enginetest.File{Name: "noise", Content: string(noise)})
	h.BuildLayers(t, "one:1", "shared:1", "echo 1 > /one")
	h.BuildLayers(t, "two:1", "shared:1", "echo 2 > /two")
	plan, err := PlanCreate(t.Context(), h.env, CreateOptions{Selection: Selection{Images: []string{"one:1", "two:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ApplyCreate(t.Context(), h.env, plan); err != nil {
		t.Fatal(err)
	}
	if before := layersOnDisk(t, h.DataRoot); before < 8<<20 {
		t.Fatalf("%d bytes with the images", before)
	}
	h.CLI(t, "rmi", "one:1", "two:1", "shared:1")
	if after := layersOnDisk(t, h.DataRoot); after > 8<<20 {
		t.Errorf("%d bytes after the images were removed", after)
	}
}

// layersOnDisk is what the layers of an engine take.
func layersOnDisk(t *testing.T, root string) int64 {
	t.Helper()
	dir := filepath.Join(root, "overlay2")
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("du", "-sxB1", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(out))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
