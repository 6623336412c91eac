//go:build linux

package hostfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// Whatever a file is created with, and whatever the folder and the umask do to it, it ends with the metadata wanted.
func TestNewFiles(t *testing.T) {
	const acl = "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\xe8\x03\x00\x00" +
		"\x04\x00\x05\x00\xff\xff\xff\xff" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x05\x00\xff\xff\xff\xff"
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	metas := []hostfs.Meta{
		{Mode: 0o644, UID: uid, GID: gid}, {Mode: 0o600, UID: uid, GID: gid}, {Mode: 0, UID: uid, GID: gid},
		{Mode: 0o777, UID: uid, GID: gid}, {Mode: 0o4755, UID: uid, GID: gid}, {Mode: 0o2711, UID: uid, GID: gid},
		{Mode: 0o640, UID: uid, GID: gid, Xattrs: []hostfs.Xattr{{Name: "user.x", Value: []byte("1")}}},
		{Mode: 0o670, UID: uid, GID: gid, Xattrs: []hostfs.Xattr{{Name: hostfs.XattrACLAccess, Value: []byte(acl)}}},
	}
	if uid == 0 {
		metas = append(metas, hostfs.Meta{Mode: 0o644, UID: 1000, GID: 1001}, hostfs.Meta{Mode: 0o6755, UID: 1000, GID: 0},
			hostfs.Meta{Mode: 0o600, UID: 0, GID: 1001})
	}
	folders := map[string]func(string) error{
		"plain":       func(string) error { return nil },
		"default ACL": func(dir string) error { return unix.Setxattr(dir, hostfs.XattrACLDefault, []byte(acl), 0) },
		"setgid":      func(dir string) error { return os.Chmod(dir, 0o755|os.ModeSetgid) },
	}
	defer unix.Umask(unix.Umask(0))
	for folder, prepare := range folders {
		for _, mask := range []int{0, 0o022, 0o077, 0o777} {
			dir := t.TempDir()
			must(t, prepare(dir))
			unix.Umask(mask)
			root, err := hostfs.OpenRoot(dir)
			must(t, err)
			n, err := root.NewFiles()
			must(t, err)
			d, err := root.OpenDir("")
			must(t, err)
			for i, m := range metas {
				m.Mtime = hostfs.Timespec{Sec: 1e9, Nsec: 7}
				name := fmt.Sprintf("%o-%d", m.Mode, i)
				mode := n.Mode(&m)
				if folder == "plain" && mask == 0 && m.Mode == 0o644 && m.UID == uid && mode != 0o644 {
					t.Errorf("an ordinary file is created with mode %o", mode)
				}
				fd, err := d.CreateNew(name, mode)
				must(t, err)
				must(t, n.SetMeta(fd, &m, mode))
				closeFD(t, fd)
				sameMeta(t, fmt.Sprintf("%s, umask %o, %s", folder, mask, name), filepath.Join(dir, name), &m)
			}
			must(t, d.Close())
			must(t, root.Close())
			unix.Umask(0o022)
		}
	}
}

func sameMeta(t *testing.T, what, path string, m *hostfs.Meta) {
	t.Helper()
	dir, err := hostfs.OpenRoot(filepath.Dir(path))
	must(t, err)
	defer dir.Close()
	d, err := dir.OpenDir("")
	must(t, err)
	defer d.Close()
	st, err := d.Stat(filepath.Base(path))
	must(t, err)
	xattrs, err := d.Xattrs(filepath.Base(path))
	must(t, err)
	if st.Mode&0o7777 != m.Mode || st.UID != m.UID || st.GID != m.GID || st.Mtime != m.Mtime || len(xattrs) != len(m.Xattrs) {
		t.Errorf("%s: mode %o, owner %d:%d, %d attributes", what, st.Mode&0o7777, st.UID, st.GID, len(xattrs))
	}
}
