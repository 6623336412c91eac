//go:build linux

package agent

import (
	"fmt"
	"io"
	"os"
	"path"

	"davit/engine/hostfs"
)

const (
	// wholeLimit is the longest file that is fetched whole, and fetchLimit what is fetched of whole files at a time; the
	// rest is opened one by one.
	wholeLimit = 2 << 20
	fetchLimit = 8 << 20
)

func (s *server) fetch(u *unpacker, p *packer) error {
	t, err := find(s, s.trees, u.number())
	paths := u.texts()
	if err == nil {
		err = u.err()
	}
	if err != nil {
		return err
	}
	r := &fetcher{root: t.root, p: p}
	defer r.close()
	for _, name := range paths {
		at := len(p.b)
		if err := r.add(name); err != nil {
			p.b = p.b[:at]
			p.number(fetchFailed)
			p.bytes(packError(err))
		}
	}
	return nil
}

// fetcher reads files, and keeps the folder of the last one open.
type fetcher struct {
	root   *hostfs.Root
	p      *packer
	folder string
	dir    *hostfs.Dir
}

func (r *fetcher) close() {
	if r.dir != nil {
		_ = r.dir.Close() // read-only
		r.dir = nil
	}
}

func (r *fetcher) open(folder string) error {
	if r.dir != nil && r.folder == folder {
		return nil
	}
	r.close()
	dir, err := r.root.OpenDir(folder)
	if err != nil {
		return err
	}
	r.dir, r.folder = dir, folder
	return nil
}

// add reads one file. Folders are looked at through the folder that holds them, which stays open.
func (r *fetcher) add(name string) error {
	if name == "" {
		return r.addRoot()
	}
	folder, base := splitPath(name)
	if err := r.open(folder); err != nil {
		return err
	}
	st, err := r.dir.Stat(base)
	if err != nil {
		return err
	}
	if st.IsRegular() && st.Size <= wholeLimit && len(r.p.b) <= fetchLimit {
		return r.addWhole(base)
	}
	xattrs, err := r.dir.Xattrs(base)
	if err != nil {
		return err
	}
	link := ""
	if st.IsSymlink() {
		if link, err = r.dir.Readlink(base); err != nil {
			return err
		}
	}
	r.addMeta(&st, xattrs, link)
	return nil
}

func (r *fetcher) addMeta(st *hostfs.Stat, xattrs []hostfs.Xattr, link string) {
	r.p.number(fetchMeta)
	r.p.stat(st)
	r.p.xattrs(xattrs)
	r.p.text(link)
}

func (r *fetcher) addRoot() error {
	st, err := r.root.Stat()
	if err != nil {
		return err
	}
	xattrs, err := hostfs.FdXattrs(r.root.FD())
	if err == nil {
		r.addMeta(&st, xattrs, "")
	}
	return err
}

func (r *fetcher) addWhole(base string) error {
	fd, st, err := r.dir.OpenRegular(base)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	defer f.Close()
	xattrs, err := hostfs.FdXattrs(fd)
	if err != nil {
		return err
	}
	var segments []hostfs.Segment
	if st.Blocks*512 < st.Size {
		if segments, err = hostfs.DataSegments(fd, st.Size); err != nil {
			return err
		}
		if segments == nil {
			segments = []hostfs.Segment{}
		}
	}
	// One byte more than its size tells that it grew.
	content := make([]byte, min(st.Size, wholeLimit)+1)
	n, err := io.ReadFull(f, content)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	after, err := hostfs.StatFd(fd)
	if err != nil {
		return err
	}
	r.p.number(fetchWhole)
	r.p.stat(&st)
	r.p.xattrs(xattrs)
	r.p.segments(segments)
	r.p.bytes(content[:n])
	r.p.stat(&after)
	return nil
}

// splitPath parts a path into the folder and the name in it; "" is the folder of the first names.
func splitPath(name string) (folder, base string) {
	folder, base = path.Split(name)
	if folder != "" {
		folder = folder[:len(folder)-1]
	}
	return folder, base
}

func (s *server) openFile(u *unpacker, p *packer) error {
	t, err := find(s, s.trees, u.number())
	name := u.text()
	if err == nil {
		err = u.err()
	}
	if err != nil {
		return err
	}
	folder, base := splitPath(name)
	dir, err := t.root.OpenDir(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, st, err := dir.OpenRegular(base)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	xattrs, err := hostfs.FdXattrs(fd)
	if err != nil {
		_ = f.Close() // read-only
		return err
	}
	p.number(keep(s, s.files, f))
	p.stat(&st)
	p.xattrs(xattrs)
	return nil
}

// ofFile answers what is asked about an open file.
func (s *server) ofFile(o op, u *unpacker, p *packer) error {
	f, err := find(s, s.files, u.number())
	if err != nil {
		return err
	}
	switch o {
	case opStat:
		st, err := hostfs.StatFd(int(f.Fd()))
		p.stat(&st)
		return err
	case opSegments:
		segments, err := hostfs.DataSegments(int(f.Fd()), u.number())
		if segments == nil {
			segments = []hostfs.Segment{}
		}
		p.segments(segments)
		return err
	}
	off, length := u.number(), u.number()
	if u.bad || off < 0 || length < 0 || length > 2*blockSize {
		return errWire
	}
	data := make([]byte, length)
	n, err := f.ReadAt(data, off)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read: %w", err)
	}
	p.bytes(data[:n])
	return nil
}

func (s *server) closeFile(u *unpacker) error {
	handle := u.number()
	f, err := find(s, s.files, handle)
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.files, handle)
	s.mu.Unlock()
	return f.Close()
}
