//go:build linux

package hostfs_test

import (
	"os"
	"path/filepath"
	"testing"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// A tree goes with what is immutable in it, and what a symlink in it leads to stays.
func TestRemoveTree(t *testing.T) {
	dir := enginetest.Disk(t, 16<<20)
	tree, kept := filepath.Join(dir, "tree"), filepath.Join(dir, "kept")
	must(t, os.MkdirAll(filepath.Join(tree, "a/b"), 0o755))
	must(t, os.Mkdir(kept, 0o755))
	writeFile(t, filepath.Join(kept, "file"), "x")
	writeFile(t, filepath.Join(tree, "a/b/locked"), "x")
	chattr(t, "+i", filepath.Join(tree, "a/b/locked"), filepath.Join(tree, "a/b"))
	must(t, os.Symlink(kept, filepath.Join(tree, "link")))
	must(t, hostfs.RemoveTree(tree))
	if _, err := os.Lstat(tree); !os.IsNotExist(err) {
		t.Errorf("the tree: %v", err)
	}
	if _, err := os.Stat(filepath.Join(kept, "file")); err != nil {
		t.Error(err)
	}
	must(t, hostfs.RemoveTree(tree))
}

// What is mounted in a tree is not emptied.
func TestRemoveTreeWithMount(t *testing.T) {
	dir := enginetest.Disk(t, 16<<20)
	tree, disk := filepath.Join(dir, "tree"), filepath.Join(dir, "disk")
	must(t, os.MkdirAll(filepath.Join(tree, "m"), 0o755))
	must(t, os.Mkdir(disk, 0o755))
	writeFile(t, filepath.Join(disk, "file"), "x")
	sh(t, "/", "mount --bind '"+disk+"' '"+filepath.Join(tree, "m")+"'")
	t.Cleanup(func() { enginetest.Unmount(t, filepath.Join(tree, "m")) })
	if err := hostfs.RemoveTree(tree); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(filepath.Join(disk, "file")); err != nil {
		t.Error(err)
	}
}
