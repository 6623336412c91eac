package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"davit/engine/enginetest"
)

// Of a blob for which there is no room nothing stays that takes any, and a whole one of its name is
// not touched.
func TestWriteBlobOnFullDisk(t *testing.T) {
	enginetest.NeedRoot(t)
	place := filepath.Join(enginetest.Disk(t, 16<<20), "repo")
	if err := os.MkdirAll(filepath.Join(place, BlobFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	d := OpenDir(place)
	defer d.Close()
	if err := d.WriteBlob(t.Context(), "large", make([]byte, 64<<20)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("64 MiB on a disk of 16: %v", err)
	}
	if info, err := d.Stat(t.Context(), BlobFolder+"/large"); err != nil || info.Size != 0 {
		t.Errorf("what is left: %+v, %v", info, err)
	}
	if err := d.WriteBlob(t.Context(), "small", []byte("content")); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if err := d.WriteBlob(t.Context(), "small", []byte("another")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
	if data, err := d.Get(t.Context(), BlobFolder+"/small", 100); err != nil || string(data) != "content" {
		t.Errorf("the first one is %q, %v", data, err)
	}
}
