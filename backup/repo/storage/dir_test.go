package storage

import (
	"os"
	"path/filepath"
	"testing"
)

// Without hard links the second copy is a copy.
func TestHeldCopy(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a"), []byte("content"), filePerm); err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := copyAt(folder, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(root, "b")); err != nil || string(data) != "content" {
		t.Errorf("copy is %q, %v", data, err)
	}
}
