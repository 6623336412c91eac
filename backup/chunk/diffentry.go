package chunk

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"davit/backup/repo"
)

var errShort = errors.New("is shorter than its catalog says")

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
	sameChunks := slices.EqualFunc(a.chunks, b.chunks, func(x, y repo.Blob) bool { return x.ID == y.ID })
	sameEntry := a.run.ID == b.run.ID && a.Data == b.Data && a.Offset == b.Offset
	switch {
	case a.Size != b.Size || !sameChunks:
		return true, nil
	case sameEntry, a.Mtime == b.Mtime, a.Size == 0:
		return false, nil
	case len(a.chunks) > 0 && !a.Sparse && !b.Sparse:
		return false, nil
	}
	one, err := d.content(ctx, 0, a)
	if err != nil {
		return false, err
	}
	two, err := d.content(ctx, 1, b)
	if err != nil {
		return false, err
	}
	if len(a.chunks) > 0 { // of a big file the run has the map alone
		return !slices.Equal(one.segments, two.segments), nil
	}
	return !one.equal(two), nil
}

// content reads what the run has of a file: a small one's bytes, a sparse one's map.
func (d *differ) content(ctx context.Context, side int, l *located) (pieces, error) {
	last := &d.plain[side]
	if last.data == nil || last.digest != l.run.Digest {
		stored, err := d.reader.ReadBlob(ctx, l.run.Digest, l.run.Stored, nil)
		if err != nil {
			return pieces{}, err
		}
		plain, err := openChunk(d.reader, d.decoder, l.run, stored, nil, nil)
		if err != nil {
			return pieces{}, err
		}
		*last = plainChunk{l.run.Digest, plain}
	}
	found, err := last.pieces(l)
	if err != nil {
		return pieces{}, &repo.DamagedError{Digest: l.run.Digest, Reason: err.Error()}
	}
	return found, nil
}

func (c *plainChunk) pieces(l *located) (pieces, error) {
	if !l.Sparse && len(l.chunks) > 0 {
		return pieces{segments: wholly(l.Size)}, nil
	}
	if !l.Sparse {
		if l.Data < 0 || l.Size < 0 || l.Data > int64(len(c.data)) || l.Size > int64(len(c.data))-l.Data {
			return pieces{}, errShort
		}
		return pieces{wholly(l.Size), c.data[l.Data : l.Data+l.Size]}, nil
	}
	if l.Offset < 0 || l.Offset > int64(len(c.data)) {
		return pieces{}, errShort
	}
	var e streamEntry
	if err := (&entryReader{data: c.data, at: int(l.Offset)}).next(&e); err != nil {
		return pieces{}, err
	}
	if e.big && len(l.chunks) == 0 {
		return pieces{}, errors.New("holds a big file where its catalog names a small one")
	}
	return pieces{e.header.sparse, e.content}, nil
}
