package agent

import (
	"context"
	"fmt"

	"davit/engine/hostfs"
)

// fetch is a question for several files, and its answer once done is closed.
type fetch struct {
	done  chan struct{}
	files map[string]*fetched
	err   error
}

// fetched is one file as it was read, all at once.
type fetched struct {
	err    error // of this file
	stat   hostfs.Stat
	xattrs []hostfs.Xattr
	link   string // of a symlink

	// Of a regular file; without whole it has to be opened.
	whole    bool
	segments []hostfs.Segment // where it has holes
	content  []byte
	after    hostfs.Stat // when it had been read
	taken    bool
}

// What is fetched of a file.
const (
	fetchFailed = iota + 1
	fetchMeta   // no regular file, or one that is too long
	fetchWhole
)

// Ahead fetches files that will be opened soon.
func (t *Tree) Ahead(ctx context.Context, paths []string) (done func(), err error) {
	if len(paths) == 0 {
		return nil, nil
	}
	t.mu.Lock()
	room := t.room
	t.mu.Unlock()
	select {
	case room <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	f := &fetch{done: make(chan struct{})}
	t.mu.Lock()
	for _, path := range paths {
		t.fetched[path] = f
	}
	t.mu.Unlock()
	go func() {
		defer close(f.done)
		f.files, f.err = t.fetch(ctx, paths)
	}()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, path := range paths {
			if t.fetched[path] == f {
				delete(t.fetched, path)
			}
		}
		<-room
	}, nil
}

func (t *Tree) fetch(ctx context.Context, paths []string) (map[string]*fetched, error) {
	p := &packer{}
	p.number(t.place.tree)
	p.texts(paths)
	body, err := t.call(ctx, opFetch, p.b)
	if err != nil {
		return nil, err
	}
	u := &unpacker{b: body}
	files := make(map[string]*fetched, len(paths))
	for _, path := range paths {
		files[path] = readFetched(u)
	}
	return files, u.err()
}

func readFetched(u *unpacker) *fetched {
	f := &fetched{}
	switch u.number() {
	case fetchFailed:
		f.err = unpackError(u.bytes())
		return f
	case fetchMeta:
		f.stat, f.xattrs, f.link = u.stat(), u.xattrs(), u.text()
		// An empty link, or one with a NUL, can be made nowhere.
		u.bad = u.bad || f.stat.IsSymlink() && (f.link == "" || hasNUL(f.link))
	case fetchWhole:
		f.whole, f.stat, f.xattrs = true, u.stat(), u.xattrs()
		f.segments, f.content, f.after = u.segments(f.stat.Size), u.bytes(), u.stat()
		u.bad = u.bad || !f.stat.IsRegular() || int64(len(f.content)) > f.stat.Size+1
	default:
		u.bad = true
	}
	return f
}

// get returns a file's metadata, fetching it when it was not fetched ahead.
func (t *Tree) get(path string) (*fetched, error) {
	ctx := t.pass()
	t.mu.Lock()
	f := t.fetched[path]
	t.mu.Unlock()
	var files map[string]*fetched
	var err error
	if f != nil {
		select {
		case <-f.done:
			files, err = f.files, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	} else {
		files, err = t.fetch(ctx, []string{path})
	}
	if err != nil {
		return nil, err
	}
	got := files[path]
	if got == nil {
		return nil, fmt.Errorf("fetch %q: %w", path, errWire)
	}
	return got, got.err
}

// take returns a whole regular file that was fetched ahead, once: who wants it again wants it as it is then. Nil
// is none.
func (t *Tree) take(path string) *fetched {
	t.mu.Lock()
	f := t.fetched[path]
	t.mu.Unlock()
	if f == nil {
		return nil
	}
	got, err := t.get(path)
	if err != nil {
		return nil // opening it will tell
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !got.whole || got.taken {
		return nil
	}
	got.taken = true
	return got
}

// memoryFile is a regular file that was fetched whole.
type memoryFile struct{ *fetched }

func (f *memoryFile) Stat() (hostfs.Stat, error)      { return f.after, nil }
func (f *memoryFile) Xattrs() ([]hostfs.Xattr, error) { return f.xattrs, nil }
func (f *memoryFile) Close() error                    { f.content = nil; return nil }

func (f *memoryFile) DataSegments(size int64) ([]hostfs.Segment, error) {
	if f.segments == nil {
		return []hostfs.Segment{{Len: size}}, nil
	}
	return f.segments, nil
}

func (f *memoryFile) Pread(buf []byte, off int64) (int, error) {
	if off >= int64(len(f.content)) {
		return 0, nil
	}
	return copy(buf, f.content[off:]), nil
}
