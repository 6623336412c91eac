//go:build linux

package hostfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// Without rights, what can be set is set, each refusal is an error of its own, and setuid is not given to another owner.
func TestSetMetaWithoutRights(t *testing.T) {
	if os.Geteuid() == 0 {
		runAsNobody(t, "^TestSetMetaWithoutRights$")
		return
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "x")
	d := openDir(t, dir)
	m := hostfs.Meta{Mode: 0o6751, UID: 1, GID: 1, Mtime: hostfs.Timespec{Sec: -5, Nsec: 7}, Xattrs: []hostfs.Xattr{
		{Name: "trusted.x", Value: []byte("no")}, {Name: "user.x", Value: []byte("yes")},
	}}
	err := d.SetMeta("file", &m)
	list, ok := err.(interface{ Unwrap() []error })
	if !ok || len(list.Unwrap()) != 2 {
		t.Fatalf("error %v, want two", err)
	}
	for i, op := range []string{"chown", "set xattr"} {
		var refused *hostfs.MetaError
		if !errors.As(list.Unwrap()[i], &refused) || refused.Op != op || !errors.Is(refused, unix.EPERM) {
			t.Errorf("error %d is %v, want EPERM of %s", i, list.Unwrap()[i], op)
		}
	}
	st, err := d.Stat("file")
	must(t, err)
	if st.Mode != unix.S_IFREG|0o751 || st.Mtime != m.Mtime {
		t.Errorf("mode %o, mtime %v", st.Mode, st.Mtime)
	}
	xattrs, err := d.Xattrs("file")
	must(t, err)
	if len(xattrs) != 1 || xattrs[0].Name != "user.x" || string(xattrs[0].Value) != "yes" {
		t.Errorf("xattrs %v", xattrs)
	}
}

// Attributes and ACLs that are not wanted are gone afterwards: those that were there, and those inherited.
func TestSetMetaRemovesUnwanted(t *testing.T) {
	dir := t.TempDir()
	acl := "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\xe8\x03\x00\x00" +
		"\x04\x00\x05\x00\xff\xff\xff\xff" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x05\x00\xff\xff\xff\xff"
	must(t, unix.Setxattr(dir, hostfs.XattrACLDefault, []byte(acl), 0))
	d := openDir(t, dir)
	must(t, d.Mkdir("folder"))
	fd, err := d.CreateFile("file")
	must(t, err)
	closeFD(t, fd)
	must(t, unix.Setxattr(filepath.Join(dir, "file"), "user.old", []byte("1"), 0))
	for _, name := range []string{"folder", "file"} {
		before, err := d.Xattrs(name)
		must(t, err)
		if len(before) != 2 {
			t.Fatalf("%s has %v before", name, before)
		}
		m := hostfs.Meta{Mode: 0o640, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
		must(t, d.SetMeta(name, &m))
		after, err := d.Xattrs(name)
		must(t, err)
		st, err := d.Stat(name)
		must(t, err)
		if len(after) != 0 || st.Mode&0o7777 != 0o640 {
			t.Errorf("%s has mode %o and %v after", name, st.Mode, after)
		}
	}
}

// Nothing is created over something, nor through names that lead elsewhere.
func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	d := openDir(t, dir)
	makers := map[string]func(name string) error{
		"file":    func(name string) error { _, err := d.CreateFile(name); return err },
		"folder":  d.Mkdir,
		"symlink": func(name string) error { return d.Symlink("x", name) },
		"fifo":    func(name string) error { return d.Mknod(name, unix.S_IFIFO, 0) },
		"link":    func(name string) error { return d.Link(d, "dangling", name) },
	}
	for what, mk := range makers {
		if err := mk("dangling"); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s over a dangling link: %v", what, err)
		}
		for _, name := range []string{"", ".", "..", "a/b", "../x", "x\x00"} {
			if err := mk(name); !errors.Is(err, hostfs.ErrName) {
				t.Errorf("%s named %q: %v", what, name, err)
			}
		}
	}
}

// An attribute larger than the first buffer, and a name list larger than any guess, are read whole.
func TestXattrsOfAnySize(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	writeFile(t, path, "")
	want := map[string]int{"user.large": 1000, "user.empty": 0}
	for i := range 8 {
		want["user."+string(longName(byte('a'+i)))] = i
	}
	for name, size := range want {
		must(t, unix.Setxattr(path, name, make([]byte, size), 0))
	}
	got, err := openDir(t, dir).Xattrs("file")
	must(t, err)
	for i, x := range got {
		if size, ok := want[x.Name]; !ok || size != len(x.Value) {
			t.Errorf("%s has %d bytes, want %d", x.Name, len(x.Value), size)
		}
		if i > 0 && got[i-1].Name >= x.Name {
			t.Errorf("%s after %s", x.Name, got[i-1].Name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d attributes, want %d", len(got), len(want))
	}
}

func longName(c byte) []byte {
	name := make([]byte, 200)
	for i := range name {
		name[i] = c
	}
	return name
}
