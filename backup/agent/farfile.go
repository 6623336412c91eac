package agent

import (
	"context"
	"time"

	"davit/backup/chunk"
	"davit/engine/hostfs"
)

const (
	// blockSize is what a big file is read by.
	blockSize = 1 << 20
	// blocksAhead are asked for before they are wanted.
	blocksAhead = 4
)

// farFile is an open file of the agent's, which one goroutine reads from its beginning to its end.
type farFile struct {
	tree     *Tree
	handle   int64
	size     int64
	xattrs   []hostfs.Xattr
	segments []hostfs.Segment // where it has holes, once that was asked
	blocks   map[int64]chan block
}

type block struct {
	data []byte
	err  error
}

func (t *Tree) open(path string) (chunk.File, hostfs.Stat, error) {
	p := &packer{}
	p.number(t.place.tree)
	p.text(path)
	body, err := t.call(t.pass(), opFile, p.b)
	if err != nil {
		return nil, hostfs.Stat{}, err
	}
	u := &unpacker{b: body}
	f := &farFile{tree: t, handle: u.number(), blocks: map[int64]chan block{}}
	st := u.stat()
	f.size, f.xattrs = st.Size, u.xattrs()
	if !st.IsRegular() {
		u.bad = true
	}
	return f, st, u.err()
}

// call asks something about the file.
func (f *farFile) call(ctx context.Context, o op, more ...int64) (*unpacker, error) {
	p := &packer{}
	p.number(f.handle)
	for _, n := range more {
		p.number(n)
	}
	body, err := f.tree.call(ctx, o, p.b)
	return &unpacker{b: body}, err
}

func (f *farFile) Xattrs() ([]hostfs.Xattr, error) { return f.xattrs, nil }

// Stat also forgets what was read ahead: a file that is looked at again may be read again.
func (f *farFile) Stat() (hostfs.Stat, error) {
	clear(f.blocks)
	u, err := f.call(f.tree.pass(), opStat)
	if err != nil {
		return hostfs.Stat{}, err
	}
	st := u.stat()
	f.size = st.Size
	return st, u.err()
}

func (f *farFile) DataSegments(size int64) ([]hostfs.Segment, error) {
	u, err := f.call(f.tree.pass(), opSegments, size)
	if err != nil {
		return nil, err
	}
	f.segments = u.segments(size)
	return f.segments, u.err()
}

func (f *farFile) Close() error {
	// The pass may have ended; the file is let go all the same, and nobody waits for long.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.tree.pass()), time.Second)
	defer cancel()
	_, err := f.call(ctx, opClose)
	return err
}

// Pread gives what is left of the block that holds off.
func (f *farFile) Pread(buf []byte, off int64) (int, error) {
	ctx := f.tree.pass()
	at := off / blockSize
	for n := at; n <= at+blocksAhead; n++ {
		if n == at || f.holdsData(n) {
			f.ask(ctx, n)
		}
	}
	for n := range f.blocks {
		if n < at {
			delete(f.blocks, n)
		}
	}
	select {
	case b := <-f.blocks[at]:
		f.blocks[at] <- b
		if b.err != nil {
			return 0, b.err
		}
		skip := off - at*blockSize
		if skip >= int64(len(b.data)) {
			return 0, nil
		}
		return copy(buf, b.data[skip:]), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// ask asks for a block, once.
func (f *farFile) ask(ctx context.Context, n int64) {
	if f.blocks[n] != nil {
		return
	}
	c := make(chan block, 1)
	f.blocks[n] = c
	go func() {
		u, err := f.call(ctx, opRead, n*blockSize, blockSize)
		var b block
		if err == nil {
			b.data = u.bytes()
			err = u.err()
		}
		if len(b.data) > blockSize {
			err = errWire
		}
		b.err = err
		c <- b
	}()
}

// holdsData tells whether a block is worth being read ahead.
func (f *farFile) holdsData(n int64) bool {
	from, to := n*blockSize, (n+1)*blockSize
	if f.segments == nil {
		return from < f.size
	}
	for _, s := range f.segments {
		if s.Off < to && from < s.Off+s.Len {
			return true
		}
	}
	return false
}
