package enginetest

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func (b *builder) links() {
	b.mkdir("links/z")
	b.text("links/m/first made")
	b.hardlink("links/m/first made", "links/z/last in order")
	b.hardlink("links/m/first made", "links/a/first in order")
	b.file("links/big", prose("links/big", 2<<20+3))
	b.hardlink("links/big", "links/z/big too")
	b.file("links/empty", nil)
	b.hardlink("links/empty", "links/z/empty too")
	for name, target := range map[string]string{
		"to a file": "../big", "to a folder": "z", "dangling": "nowhere/at all", "absolute": "/etc/passwd", "up and out": "../../../../../x",
		"to itself": "to itself", "odd": "new\nline \xff", "long": strings.Repeat("x/", 500) + "end",
	} {
		b.symlink(target, "links/sym/"+name)
	}
	b.hardlink("links/sym/dangling", "links/sym/dangling too")
	if b.root {
		b.must(unix.Lchown(b.at("links/sym/odd"), 1234, 4321))
	}
}

func (b *builder) hardlink(old, name string) {
	b.t.Helper()
	b.mkdir(filepath.Dir(name))
	b.must(os.Link(b.at(old), b.at(name)))
}

func (b *builder) symlink(target, path string) {
	b.t.Helper()
	b.mkdir(filepath.Dir(path))
	b.must(os.Symlink(target, b.at(path)))
	b.stamp(path)
}

func (b *builder) nodes() {
	b.mkdir("nodes")
	b.node("nodes/fifo", unix.S_IFIFO|0o622, 0)
	b.hardlink("nodes/fifo", "nodes/fifo too")
	if !b.root {
		return
	}
	b.node("nodes/char", unix.S_IFCHR|0o666, unix.Mkdev(1, 3))
	b.node("nodes/block", unix.S_IFBLK|0o660, unix.Mkdev(7, 200))
	b.node("nodes/large minor", unix.S_IFBLK|0o600, unix.Mkdev(259, 70_000))
	b.must(unix.Lchown(b.at("nodes/fifo"), 33, 44))
}

func (b *builder) node(path string, mode uint32, dev uint64) {
	b.t.Helper()
	b.must(unix.Mknod(b.at(path), mode, int(dev)))
	b.must(unix.Chmod(b.at(path), mode&0o7777))
	b.stamp(path)
}

func (b *builder) attributes() {
	b.text("xattrs/file")
	b.xattr("xattrs/file", "user.text", "value")
	b.xattr("xattrs/file", "user.binary", "\x00\x01=\n\xff\x00")
	b.xattr("xattrs/file", "user.empty", "")
	b.xattr("xattrs/file", "user.name with = and \xc3\xa9", "x")
	b.xattr("xattrs/file", "user.large", string(noise("xattr", 1500)))
	b.xattr(b.mkdir("xattrs/folder"), "user.on.folder", "yes")
	if !b.root {
		return
	}
	b.xattr("xattrs/file", "trusted.davit", "secret")
	b.symlink("file", "xattrs/symlink")
	b.xattr("xattrs/symlink", "trusted.link", "on the link itself")
	b.node("xattrs/fifo", unix.S_IFIFO|0o600, 0)
	b.xattr("xattrs/fifo", "trusted.fifo", "on the fifo")
	b.text("xattrs/capable")
	b.must(unix.Lchown(b.at("xattrs/capable"), 1000, 1000))
	b.must(unix.Chmod(b.at("xattrs/capable"), 0o755))
	b.xattr("xattrs/capable", "security.capability", netBind())
	b.stamp("xattrs/capable")
}

// netBind is a file capability of version 2: CAP_NET_BIND_SERVICE, permitted and effective.
func netBind() string {
	raw := make([]byte, 20)
	binary.LittleEndian.PutUint32(raw, 0x02000001)
	binary.LittleEndian.PutUint32(raw[4:], 1<<unix.CAP_NET_BIND_SERVICE)
	return string(raw)
}

func (b *builder) xattr(path, name, value string) {
	b.t.Helper()
	if err := unix.Lsetxattr(b.at(path), name, []byte(value), 0); err != nil {
		b.t.Fatalf("build tree: set %s on %q: %v", name, path, err)
	}
}

func (b *builder) acls() {
	access := acl(aclEntry{0x01, 7, 0}, aclEntry{0x02, 7, 1000}, aclEntry{0x02, 4, 70_000}, aclEntry{0x04, 4, 0},
		aclEntry{0x08, 5, 100}, aclEntry{0x10, 5, 0}, aclEntry{0x20, 0, 0})
	byDefault := acl(aclEntry{0x01, 7, 0}, aclEntry{0x02, 5, 1000}, aclEntry{0x04, 5, 0}, aclEntry{0x10, 5, 0}, aclEntry{0x20, 0, 0})
	b.text("acls/file")
	b.xattr("acls/file", "system.posix_acl_access", access)
	b.xattr(b.mkdir("acls/folder"), "system.posix_acl_access", access)
	b.xattr("acls/folder", "system.posix_acl_default", byDefault)
	b.text("acls/folder/inherits")
	b.mkdir("acls/folder/inherits too")
	// A restore creates these two beneath the default ACL as well, and must take it off again.
	b.text("acls/folder/without")
	b.must(unix.Removexattr(b.at("acls/folder/without"), "system.posix_acl_access"))
	b.mkdir("acls/folder/without too")
	b.must(unix.Removexattr(b.at("acls/folder/without too"), "system.posix_acl_access"))
	b.must(unix.Removexattr(b.at("acls/folder/without too"), "system.posix_acl_default"))
}

type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// acl encodes the kernel's record of a POSIX ACL; entries that are not for a named user or group have no id.
func acl(entries ...aclEntry) string {
	raw := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		if e.tag != 0x02 && e.tag != 0x08 {
			e.id = 0xffffffff
		}
		raw = binary.LittleEndian.AppendUint16(raw, e.tag)
		raw = binary.LittleEndian.AppendUint16(raw, e.perm)
		raw = binary.LittleEndian.AppendUint32(raw, e.id)
	}
	return string(raw)
}

func (b *builder) holes() {
	const MiB = 1 << 20
	b.mkdir("holes")
	b.sparse("holes/at the beginning", 3*MiB+8192, 3*MiB)
	b.sparse("holes/at the end", 5*MiB, 0)
	b.sparse("holes/in the middle", 4*MiB+4096, 0, 4*MiB)
	b.sparse("holes/nothing else", 2*MiB+123)
	b.sparse("holes/everywhere", 7*MiB+1, 65536, MiB, MiB+8192, 2*MiB, 5*MiB+4096, 6*MiB)
	b.sparse("holes/small file", 300_001, 0, 200_704)
	b.sparse("holes/small and empty", 70_000)
}

// sparse makes a file of that size which has data in one block of 4096 at each offset.
func (b *builder) sparse(path string, size int64, offsets ...int64) {
	b.t.Helper()
	file, err := os.Create(b.at(path))
	b.must(err)
	defer file.Close()
	for _, off := range offsets {
		_, err = file.WriteAt(noise(path, 4096), off)
		b.must(err)
	}
	b.must(file.Truncate(size))
	b.must(file.Sync())
	b.must(file.Close())
	b.stamp(path)
}
