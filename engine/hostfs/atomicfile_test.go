//go:build linux

package hostfs_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// A file is replaced as a whole, with its mode whatever the umask, and nothing else is left in the folder.
func TestWriteFile(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"old and long", "new", ""} {
		must(t, hostfs.WriteFile(path, []byte(content), 0o644))
		got, err := os.ReadFile(path)
		must(t, err)
		info, err := os.Stat(path)
		must(t, err)
		if string(got) != content || info.Mode() != 0o644 {
			t.Errorf("%q, mode %v; want %q", got, info.Mode(), content)
		}
		onlyFile(t, dir)
	}
}

// Until Commit, and after Abort, the old content stands.
func TestAtomicFileAbort(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	writeFile(t, path, "old")
	a, err := hostfs.Create(path, 0o600)
	must(t, err)
	_, err = a.Write([]byte("half"))
	must(t, err)
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("%q before commit", got)
	}
	a.Abort()
	a.Abort()
	if err := a.Commit(); err == nil {
		t.Error("commit after abort")
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("%q after abort", got)
	}
	onlyFile(t, dir)
}

// On a full disk the write or the commit says so, the old content stands, and the temporary file is gone.
func TestAtomicFileOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a tmpfs of one megabyte")
	}
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { enginetest.Unmount(t, dir) })
	path := filepath.Join(dir, "file")
	must(t, hostfs.WriteFile(path, []byte("old"), 0o600))
	free, inodes, err := hostfs.Space(dir)
	must(t, err)
	if free == 0 || free >= 1<<20 || inodes == 0 {
		t.Errorf("%d bytes and %d inodes free", free, inodes)
	}
	a, err := hostfs.Create(path, 0o600)
	must(t, err)
	if _, err := a.Write(make([]byte, 2<<20)); err == nil {
		t.Error("two megabytes were written into one")
	}
	if err := a.Commit(); err == nil {
		t.Error("commit after a short write")
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("%q after a full disk", got)
	}
	onlyFile(t, dir)
}

func onlyFile(t *testing.T, dir string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	if len(list) != 1 || list[0].Name() != "file" {
		t.Errorf("the folder holds %v", list)
	}
}
