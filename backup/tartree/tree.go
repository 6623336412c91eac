package tartree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"davit/backup/chunk"
	"davit/engine/hostfs"
)

// Tree is the tree of the archive that was last asked for. One pass at a time may read it.
type Tree struct {
	name  string
	dir   string
	fetch func(ctx context.Context) (io.ReadCloser, error)

	mu    sync.Mutex
	root  *node
	spool *os.File
}

// New returns the tree of what fetch gives. name stands in messages, dir is where archives are spooled. The caller
// closes the tree.
func New(name, dir string, fetch func(ctx context.Context) (io.ReadCloser, error)) *Tree {
	return &Tree{name: name, dir: dir, fetch: fetch}
}

// Close frees the spool.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.spool == nil {
		return nil
	}
	err := t.spool.Close()
	t.spool, t.root = nil, nil
	return err
}

// Path is the name.
func (t *Tree) Path() string { return t.name }

// Settle does nothing: an archive is never believed to be what it was.
func (t *Tree) Settle(now func() time.Time) (time.Time, error) { return now(), nil }

// FSType is as in hostfs.Root.
func (t *Tree) FSType() (name string, trusted bool, err error) { return "archive", false, nil }

// Walk asks for the archive and visits it.
func (t *Tree) Walk(ctx context.Context, o hostfs.WalkOptions, visit func(*hostfs.Entry) error) error {
	if err := t.load(ctx); err != nil {
		return err
	}
	w := walker{ctx: ctx, skip: o.Skip, visit: visit}
	return w.walk("", "", t.root)
}

func (t *Tree) load(ctx context.Context) (err error) {
	if err := t.Close(); err != nil {
		return err
	}
	spool, err := hostfs.Nameless(t.dir)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	archive, err := t.fetch(ctx)
	if err == nil {
		r := &reader{ctx: ctx, spool: spool}
		err = errors.Join(r.read(archive), archive.Close())
		t.root = r.root
	}
	if err != nil {
		return errors.Join(err, spool.Close())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spool = spool
	return nil
}

type walker struct {
	ctx   context.Context
	skip  func(dir, name string, st *hostfs.Stat) bool
	visit func(*hostfs.Entry) error
}

func (w *walker) walk(dir, name string, n *node) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.visit(&hostfs.Entry{Dir: dir, Name: name, Stat: n.stat}); err != nil {
		return err
	}
	at := join(dir, name)
	for _, child := range slices.Sorted(maps.Keys(n.children)) {
		c := n.children[child]
		if w.skip != nil && w.skip(at, child, &c.stat) {
			continue
		}
		if err := w.walk(at, child, c); err != nil {
			return err
		}
	}
	return nil
}

func join(dir, name string) string {
	if dir == "" || name == "" {
		return dir + name
	}
	return dir + "/" + name
}

// OpenFolder is as in chunk.Tree.
func (t *Tree) OpenFolder(rel string) (chunk.Folder, error) {
	n := t.root
	if rel != "" {
		for name := range strings.SplitSeq(rel, "/") {
			if n = n.children[name]; n == nil {
				return nil, fmt.Errorf("open folder %q: %w", rel, syscall.ENOENT)
			}
		}
	}
	return &folder{tree: t, node: n}, nil
}

type folder struct {
	tree *Tree
	node *node
}

func (f *folder) Close() error { return nil }

func (f *folder) find(name string) (*node, error) {
	if name == "" {
		return f.node, nil
	}
	if n := f.node.children[name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("open %q: %w", name, syscall.ENOENT)
}

func (f *folder) Xattrs(name string) ([]hostfs.Xattr, error) {
	n, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return n.xattrs, nil
}

func (f *folder) Readlink(name string) (string, error) {
	n, err := f.find(name)
	if err != nil {
		return "", err
	}
	return n.link, nil
}

func (f *folder) OpenRegular(name string) (chunk.File, hostfs.Stat, error) {
	n, err := f.find(name)
	if err != nil {
		return nil, hostfs.Stat{}, err
	}
	if !n.stat.IsRegular() {
		return nil, n.stat, fmt.Errorf("open %q: %w", name, hostfs.ErrNotRegular)
	}
	return &file{node: n, content: io.NewSectionReader(f.tree.spool, n.off, n.stat.Size)}, n.stat, nil
}

type file struct {
	node    *node
	content *io.SectionReader
}

func (f *file) Stat() (hostfs.Stat, error)      { return f.node.stat, nil }
func (f *file) Xattrs() ([]hostfs.Xattr, error) { return f.node.xattrs, nil }
func (f *file) Close() error                    { return nil }

func (f *file) DataSegments(size int64) ([]hostfs.Segment, error) {
	return []hostfs.Segment{{Len: size}}, nil
}

func (f *file) Pread(buf []byte, off int64) (int, error) {
	n, err := f.content.ReadAt(buf, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
