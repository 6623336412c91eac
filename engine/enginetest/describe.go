package enginetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// DescribeTree reads a tree with the plainest means there are, so that it shares no mistake with the code it judges. It
// needs to be able to read everything below dir, and depends on nobody changing it.
func DescribeTree(dir string) (Tree, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	d := describer{tree: Tree{}, first: map[inode]string{}}
	if err := d.node(fd, ".", "."); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return d.tree, d.folder(fd, ".")
}

type inode struct{ dev, ino uint64 }

type describer struct {
	tree  Tree
	first map[inode]string
}

// folder describes what is in the folder behind fd, which it closes.
func (d *describer) folder(fd int, at string) error {
	file := os.NewFile(uintptr(fd), at)
	defer file.Close()
	names, err := file.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list %q: %w", at, err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := d.node(fd, name, path.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

// node describes name in the folder behind fd, and what is below it unless it is the top.
func (d *describer) node(fd int, name, at string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat %q: %w", at, err)
	}
	n := Node{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Sec: st.Mtim.Sec, Nsec: st.Mtim.Nsec}
	var err error
	if n.Xattrs, err = xattrs(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)); err != nil {
		return fmt.Errorf("xattrs of %q: %w", at, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		n.Size = st.Size
		n.Content, n.Sparse, err = contentAt(fd, name, st.Size)
	case unix.S_IFLNK:
		n.Target, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name))
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = st.Rdev
	case unix.S_IFDIR:
		d.tree[at] = n
		if at == "." {
			return nil
		}
		sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %q: %w", at, err)
		}
		return d.folder(sub, at)
	}
	if err != nil {
		return fmt.Errorf("read %q: %w", at, err)
	}
	n.LinkOf = d.linkOf(&st, at)
	d.tree[at] = n
	return nil
}

// linkOf notes the path, and returns the first one of the same inode. The first learns of the second from it.
func (d *describer) linkOf(st *unix.Stat_t, at string) string {
	if st.Nlink < 2 {
		return ""
	}
	key := inode{st.Dev, st.Ino}
	first, known := d.first[key]
	if !known {
		d.first[key] = at
		return ""
	}
	n := d.tree[first]
	n.LinkOf = first
	d.tree[first] = n
	return first
}

func xattrs(file string) (map[string]string, error) {
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(file, list)
	if err == unix.ENOTSUP || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if strings.HasPrefix(name, "trusted.SGI_ACL_") { // how XFS stores the ACLs, shown to root
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[name] = string(value[:n])
	}
	return all, nil
}

// contentAt digests a regular file: its size, and the offset and bytes of each block of 4096 that is not all zero. It is
// sparse when one of these blocks is nothing but hole.
func contentAt(dir int, name string, size int64) (content string, sparse bool, err error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false, err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	sum := sha256.New()
	writeInt(sum, size)
	for end := int64(0); ; {
		hole := (end + 4095) / 4096 * 4096
		at, err := unix.Seek(fd, end, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return fmt.Sprintf("%x", sum.Sum(nil)), sparse || size-hole >= 4096, nil
		}
		if err != nil {
			return "", false, err
		}
		if end, err = unix.Seek(fd, at, unix.SEEK_HOLE); err != nil {
			return "", false, err
		}
		sparse = sparse || at-hole >= 4096
		at -= at % 4096
		if err := digest(sum, file, at, end); err != nil {
			return "", false, err
		}
	}
}

func digest(sum hash.Hash, file *os.File, at, end int64) error {
	zero := make([]byte, 4096)
	buf := make([]byte, 4096)
	for ; at < end; at += 4096 {
		n, err := file.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return err
		}
		if !bytes.Equal(buf[:n], zero[:n]) {
			writeInt(sum, at)
			sum.Write(buf[:n])
		}
	}
	return nil
}

func writeInt(sum hash.Hash, n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	sum.Write(b[:])
}
