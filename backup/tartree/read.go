package tartree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"davit/engine/hostfs"
)

// node is one entry of an archive.
type node struct {
	stat     hostfs.Stat
	link     string // of a symlink
	xattrs   []hostfs.Xattr
	off      int64 // of a regular file's content in the spool
	children map[string]*node
}

// errArchive says that an archive is no folder's.
var errArchive = errors.New("the archive is not that of a folder")

// maxNodes bounds the memory that an archive may take.
const maxNodes = 20 << 20

// reader turns an archive into nodes, and its content into the spool.
type reader struct {
	ctx   context.Context
	spool io.Writer
	root  *node
	end   int64 // of the spool
	count uint64
}

func (r *reader) read(from io.Reader) error {
	t := tar.NewReader(from)
	r.root = r.folder()
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.ctx.Err()
		}
		if err == nil {
			err = r.add(h, t)
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
	}
}

func (r *reader) folder() *node {
	r.count++
	return &node{stat: hostfs.Stat{Dev: 1, Ino: r.count, Nlink: 1, Mode: hostfs.TypeFolder | 0o755}, children: map[string]*node{}}
}

// find returns the folder that holds a path and the last name of it; "" is the root itself.
func (r *reader) find(name string) (*node, string, error) {
	clean := path.Clean("/" + name)[1:]
	if clean == "" {
		return r.root, "", nil
	}
	if slices.Contains(strings.Split(name, "/"), "..") || strings.Contains(name, "\x00") {
		return nil, "", fmt.Errorf("%w: it names %.80q", errArchive, name)
	}
	at := r.root
	names := strings.Split(clean, "/")
	for i, n := range names {
		if len(n) > 255 {
			return nil, "", fmt.Errorf("%w: it names %.80q", errArchive, name)
		}
		if i == len(names)-1 {
			break
		}
		at = at.children[n]
		if at == nil || at.children == nil {
			return nil, "", fmt.Errorf("%w: %.80q comes without its folder", errArchive, name)
		}
	}
	return at, names[len(names)-1], nil
}

func (r *reader) add(h *tar.Header, content io.Reader) error {
	folder, name, err := r.find(h.Name)
	if err != nil {
		return err
	}
	if h.Typeflag == tar.TypeLink {
		return r.addLink(folder, name, h)
	}
	if r.count == maxNodes {
		return fmt.Errorf("%w: it has more than %d entries", errArchive, maxNodes)
	}
	n := r.folder()
	mode, ok := types()[h.Typeflag]
	if !ok || name == "" && mode != hostfs.TypeFolder {
		return fmt.Errorf("%w: %.80q is of type %q", errArchive, h.Name, h.Typeflag)
	}
	n.stat.Mode = mode | uint32(h.Mode)&0o7777
	n.stat.UID, n.stat.GID = uint32(h.Uid), uint32(h.Gid)
	n.stat.Mtime = hostfs.TimespecOf(h.ModTime)
	n.stat.Ctime = n.stat.Mtime
	n.xattrs = xattrs(h)
	switch mode {
	case hostfs.TypeFolder:
		if name == "" {
			n.children = r.root.children
			r.root = n
			return nil
		}
		if before := folder.children[name]; before != nil && before.children != nil {
			n.children = before.children
		}
	case hostfs.TypeRegular:
		n.off, n.stat.Size = r.end, h.Size
		n.stat.Blocks = (h.Size + 511) / 512
		written, err := io.Copy(r.spool, content)
		r.end += written
		if err != nil {
			return err
		}
	case hostfs.TypeSymlink:
		n.link = h.Linkname
	default:
		n.stat.Rdev = hostfs.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	}
	if mode != hostfs.TypeFolder {
		n.children = nil
	}
	folder.children[name] = n
	return nil
}

func (r *reader) addLink(folder *node, name string, h *tar.Header) error {
	at, last, err := r.find(h.Linkname)
	if err != nil {
		return err
	}
	target := at.children[last]
	if target == nil || target.children != nil || name == "" {
		return fmt.Errorf("%w: %.80q is a link to what is not there", errArchive, h.Name)
	}
	target.stat.Nlink++
	folder.children[name] = target
	return nil
}

func types() map[byte]uint32 {
	return map[byte]uint32{
		tar.TypeReg: hostfs.TypeRegular, tar.TypeDir: hostfs.TypeFolder, tar.TypeSymlink: hostfs.TypeSymlink,
		tar.TypeChar: hostfs.TypeChar, tar.TypeBlock: hostfs.TypeBlock, tar.TypeFifo: hostfs.TypeFifo, tar.TypeGNUSparse: hostfs.TypeRegular,
	}
}

// xattrs are the attributes that the archive holds.
func xattrs(h *tar.Header) []hostfs.Xattr {
	var list []hostfs.Xattr
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok && name != "" && len(name) <= 255 && len(value) <= 64<<10 {
			list = append(list, hostfs.Xattr{Name: name, Value: []byte(value)})
		}
	}
	slices.SortFunc(list, func(a, b hostfs.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return list
}
