package chunk

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"davit/backup/repo"
)

// changes compares two sets of entries.
func (d *differ) changes(ctx context.Context, before, after map[string]*located) ([]Change, error) {
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	var list []Change
	for _, path := range slices.SortedFunc(maps.Keys(paths), compareStreamed) {
		a, b := before[path], after[path]
		switch {
		case a == nil && b.Kind != 0:
			list = append(list, Change{To: &b.Entry})
		case b == nil && a.Kind != 0:
			list = append(list, Change{From: &a.Entry})
		case a != nil && b != nil:
			content, err := d.contentDiffers(ctx, a, b)
			if err != nil {
				return nil, err
			}
			if content || !sameMeta(&a.Entry, &b.Entry) {
				list = append(list, Change{From: &a.Entry, To: &b.Entry, Content: content})
			}
		}
	}
	return list, nil
}

// compareStreamed orders paths as the stream does: a folder's content comes
// before its next sibling, whatever that is called.
func compareStreamed(a, b string) int {
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

func sameMeta(a, b *Entry) bool {
	return a.Kind == b.Kind && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.Size == b.Size &&
		a.Mtime == b.Mtime && a.Link == b.Link && a.Rdev == b.Rdev && a.Xattrs == b.Xattrs
}

func (d *differ) contentDiffers(ctx context.Context, a, b *located) (bool, error) {
	if a.Kind != b.Kind || a.Kind != KindFile && a.Kind != 0 {
		return false, nil
	}
	big := len(a.chunks)+len(b.chunks) > 0
	switch {
	case a.Size != b.Size:
		return true, nil
	case big:
		return !slices.EqualFunc(a.chunks, b.chunks, func(x, y repo.Blob) bool { return x.ID == y.ID }), nil
	case a.run.ID == b.run.ID && a.Data == b.Data, a.Mtime == b.Mtime, a.Size == 0:
		return false, nil
	}
	one, err := d.content(ctx, 0, a)
	if err != nil {
		return false, err
	}
	two, err := d.content(ctx, 1, b)
	return !bytes.Equal(one, two), err
}

// content reads a small file's bytes.
func (d *differ) content(ctx context.Context, side int, l *located) ([]byte, error) {
	last := &d.plain[side]
	if last.data == nil || last.digest != l.run.Digest {
		stored, err := d.reader.ReadBlob(ctx, l.run.Digest, l.run.Stored, nil)
		if err != nil {
			return nil, err
		}
		plain, err := openChunk(d.reader, d.decoder, l.run, stored, nil, nil)
		if err != nil {
			return nil, err
		}
		*last = plainChunk{l.run.Digest, plain}
	}
	if l.Sparse {
		return expand(last, l.Offset)
	}
	if l.Data < 0 || l.Size < 0 || l.Data > int64(len(last.data)) || l.Size > int64(len(last.data))-l.Data {
		return nil, &repo.DamagedError{Digest: l.run.Digest, Reason: "is shorter than its catalog says"}
	}
	return last.data[l.Data : l.Data+l.Size], nil
}

// expand returns the bytes of a small sparse file with zeros for its holes.
func expand(chunk *plainChunk, offset int64) ([]byte, error) {
	damaged := func(reason string) error { return &repo.DamagedError{Digest: chunk.digest, Reason: reason} }
	if offset < 0 || offset > int64(len(chunk.data)) {
		return nil, damaged("is shorter than its catalog says")
	}
	var e streamEntry
	if err := (&entryReader{data: chunk.data, at: int(offset)}).next(&e); err != nil {
		return nil, damaged(err.Error())
	}
	if e.big || e.header.real > 2*bigFile {
		return nil, damaged("holds a big file where its catalog names a small one")
	}
	whole := make([]byte, e.header.real)
	rest := e.content
	for _, s := range e.header.sparse {
		copy(whole[s.Off:s.Off+s.Len], rest)
		rest = rest[s.Len:]
	}
	return whole, nil
}
