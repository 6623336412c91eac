package hostfs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// A snapshot holds what was written before, keeps inodes and times, is outside the subvolume where that can be, and goes
// without a trace.
func TestSubvolumeSnapshot(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.CowDisk(t, "btrfs", 200<<20)
	for _, cmd := range [][]string{
		{"btrfs", "-q", "subvolume", "create", disk + "/sub"}, {"mkdir", "-p", disk + "/sub/a/b"},
		{"btrfs", "-q", "subvolume", "create", disk + "/sub/nested"},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", cmd, err, out)
		}
	}
	for _, tc := range []struct{ path, sub, rel, place string }{
		{disk, disk, "", disk},
		{disk + "/sub", disk + "/sub", "", disk},
		{disk + "/sub/a/b", disk + "/sub", "a/b", disk + "/sub"},
		{disk + "/sub/nested", disk + "/sub/nested", "", disk + "/sub"},
	} {
		s, err := hostfs.SubvolumeOf(tc.path)
		if err != nil || s.Path != tc.sub || s.Rel != tc.rel || s.Place() != tc.place {
			t.Errorf("%s: %+v in %s, %v", tc.path, s, s.Place(), err)
		}
	}
	file := disk + "/sub/a/file"
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := hostfs.SubvolumeOf(disk + "/sub/a")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Place(), ".davit-snapshot")
	before, was := stat(t, disk+"/sub"), stat(t, file)
	if err := s.Snapshot(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("after"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path + "/a/file"); err != nil || string(got) != "before" {
		t.Errorf("the snapshot holds %q, %v", got, err)
	}
	is := stat(t, path+"/a/file")
	if is.Ino != was.Ino || is.Ctime != was.Ctime || is.Mtime != was.Mtime {
		t.Errorf("the file was %+v and is %+v", was, is)
	}
	if st := stat(t, path+"/nested"); st.Ino != hostfs.NestedInode {
		t.Errorf("a nested subvolume is inode %d", st.Ino)
	}
	if err := os.WriteFile(path+"/new", nil, 0o600); err == nil {
		t.Error("the snapshot can be written")
	}
	for range 2 {
		if err := hostfs.RemoveSnapshot(path); err != nil {
			t.Error(err)
		}
	}
	if st := stat(t, disk+"/sub"); st.Mtime != before.Mtime {
		t.Errorf("the folder's mtime was %v and is %v", before.Mtime, st.Mtime)
	}
	if err := hostfs.RemoveSnapshot(disk + "/sub/a"); !errors.Is(err, hostfs.ErrNoSubvolume) {
		t.Errorf("a folder is removed as a snapshot: %v", err)
	}
	if _, err := hostfs.SubvolumeOf(t.TempDir()); !errors.Is(err, hostfs.ErrNoSubvolume) {
		t.Errorf("no btrfs: %v", err)
	}
}

func stat(t *testing.T, path string) hostfs.Stat {
	t.Helper()
	root, err := hostfs.OpenRoot(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	dir, err := root.OpenDir("")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	st, err := dir.Stat(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return st
}
