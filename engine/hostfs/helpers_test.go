//go:build linux

package hostfs_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

func openRoot(t testing.TB, dir string) *hostfs.Root {
	t.Helper()
	root, err := hostfs.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func openDir(t testing.TB, dir string) *hostfs.Dir {
	t.Helper()
	d, err := openRoot(t, dir).OpenDir("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func closeFD(t testing.TB, fd int) {
	t.Helper()
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
}

// must fails the test on an error of a step that only prepares it.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
