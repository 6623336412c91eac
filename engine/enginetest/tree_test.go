package enginetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
)

func describe(t *testing.T, dir string) enginetest.Tree {
	t.Helper()
	tree, err := enginetest.DescribeTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Two builds are the same tree, and a description does not depend on where the tree is.
func TestBuildTreeIsTheSameEachTime(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	enginetest.BuildTree(t, one)
	enginetest.BuildTree(t, two)
	for _, line := range describe(t, one).Diff(describe(t, two)) {
		t.Error(line)
	}
}

// The tree holds each kind of thing it promises: a backup that loses the kind must show in Diff.
func TestBuildTreeHoldsEveryKind(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := t.TempDir()
	enginetest.BuildTree(t, dir)
	enginetest.AddSocket(t, filepath.Join(dir, "socket"))
	tree := describe(t, dir)
	typed := func(kind uint32) func(string, enginetest.Node) bool {
		return func(_ string, n enginetest.Node) bool { return n.Mode&unix.S_IFMT == kind }
	}
	xattr := func(name string) func(string, enginetest.Node) bool {
		return func(_ string, n enginetest.Node) bool { _, ok := n.Xattrs[name]; return ok }
	}
	for what, holds := range map[string]func(path string, n enginetest.Node) bool{
		"folder": typed(unix.S_IFDIR), "fifo": typed(unix.S_IFIFO), "socket": typed(unix.S_IFSOCK),
		"char device": typed(unix.S_IFCHR), "block device": typed(unix.S_IFBLK), "symlink": typed(unix.S_IFLNK),
		"user xattr": xattr("user.text"), "trusted xattr": xattr("trusted.davit"), "capability": xattr("security.capability"),
		"access acl": xattr("system.posix_acl_access"), "default acl": xattr("system.posix_acl_default"),
		"hard link across folders": func(path string, n enginetest.Node) bool {
			return n.LinkOf != "" && filepath.Dir(n.LinkOf) != filepath.Dir(path)
		},
		"sparse file":     func(_ string, n enginetest.Node) bool { return n.Sparse },
		"setuid":          func(_ string, n enginetest.Node) bool { return n.Mode&unix.S_ISUID != 0 },
		"sticky":          func(_ string, n enginetest.Node) bool { return n.Mode&unix.S_ISVTX != 0 },
		"pre-1970":        func(_ string, n enginetest.Node) bool { return n.Sec < 0 },
		"after 2038":      func(_ string, n enginetest.Node) bool { return n.Sec > 1<<31 },
		"newline in name": func(path string, _ enginetest.Node) bool { return strings.Contains(path, "\n") },
		"255 byte name":   func(path string, _ enginetest.Node) bool { return len(filepath.Base(path)) == 255 },
		"long path":       func(path string, _ enginetest.Node) bool { return len(path) > 1000 },
		"large minor":     func(_ string, n enginetest.Node) bool { return unix.Minor(n.Rdev) == 70_000 },
	} {
		found := false
		for path, n := range tree {
			found = found || holds(path, n)
		}
		if !found {
			t.Errorf("no %s in the tree", what)
		}
	}
}

// Diff sees every single change, and nothing else.
func TestDiffSeesEachChange(t *testing.T) {
	enginetest.NeedRoot(t)
	for what, c := range map[string]struct {
		change func(at func(string) string) error
		want   string
	}{
		"mode":          {func(at func(string) string) error { return os.Chmod(at("f"), 0o600) }, `"f": mode`},
		"owner":         {func(at func(string) string) error { return os.Lchown(at("f"), 5, 0) }, `"f": owner`},
		"nanosecond":    {func(at func(string) string) error { return setMtime(at("f"), 1) }, `"f": mtime`},
		"content":       {func(at func(string) string) error { return overwrite(at("f"), "CONTENT") }, `"f": content`},
		"block written": {func(at func(string) string) error { return overwrite(at("dense"), "x") }, `"dense": content`},
		"punched": {func(at func(string) string) error {
			return onFile(at("dense"), func(fd int) error {
				return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 65536)
			})
		}, `"dense": sparse`},
		"size":        {func(at func(string) string) error { return os.Truncate(at("f"), 3) }, `"f": size`},
		"xattr value": {func(at func(string) string) error { return unix.Setxattr(at("f"), "user.a", []byte("2"), 0) }, `"f": xattrs`},
		"xattr gone":  {func(at func(string) string) error { return unix.Removexattr(at("f"), "user.a") }, `"f": xattrs`},
		"target": {func(at func(string) string) error {
			os.Remove(at("link"))
			return os.Symlink("other", at("link"))
		}, `"link": target`},
		"link broken": {func(at func(string) string) error {
			os.Remove(at("g"))
			return os.WriteFile(at("g"), []byte("content"), 0o644)
		}, `"g": hard link of`},
		"device": {func(at func(string) string) error {
			os.Remove(at("dev"))
			return unix.Mknod(at("dev"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5)))
		}, `"dev": device`},
		"added":   {func(at func(string) string) error { return os.Mkdir(at("d/new"), 0o755) }, `"d/new": added`},
		"missing": {func(at func(string) string) error { return os.Remove(at("dev")) }, `"dev": missing`},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			small(t, at)
			before := describe(t, dir)
			if lines := before.Diff(describe(t, dir)); len(lines) != 0 {
				t.Fatalf("nothing changed, but: %q", lines)
			}
			if err := c.change(at); err != nil {
				t.Fatal(err)
			}
			lines := before.Diff(describe(t, dir))
			if !strings.Contains(strings.Join(lines, "\n"), c.want) {
				t.Errorf("want a line %q in %q", c.want, lines)
			}
		})
	}
}

// small makes a few files at fixed times.
func small(t *testing.T, at func(string) string) {
	t.Helper()
	for _, err := range []error{
		os.WriteFile(at("f"), []byte("content"), 0o644), os.Chmod(at("f"), 0o644), os.Link(at("f"), at("g")),
		os.WriteFile(at("dense"), make([]byte, 65536), 0o644), os.Mkdir(at("d"), 0o755),
		unix.Setxattr(at("f"), "user.a", []byte("1"), 0), os.Symlink("f", at("link")),
		unix.Mknod(at("dev"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))), setMtime(at("f"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func setMtime(path string, nsec int64) error {
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1e9}, {Sec: 1e9, Nsec: nsec}}, 0)
}

func overwrite(path, data string) error {
	return onFile(path, func(fd int) error {
		_, err := unix.Pwrite(fd, []byte(data), 0)
		return err
	})
}

func onFile(path string, do func(fd int) error) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return do(int(file.Fd()))
}
