package chunk

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// A Change is an entry that differs between two tree items. From or To is nil
// when the entry is in one of them only.
type Change struct {
	From, To *Entry
	Content  bool // of a file that is in both: its content differs
}

// Path is that of the entry.
func (c *Change) Path() string {
	if c.To != nil {
		return c.To.Path
	}
	return c.From.Path
}

// located is an entry and where its content is.
type located struct {
	Entry
	run    repo.Blob   // the chunk that holds the entry
	chunks []repo.Blob // of a big file, as far as the part has them
}

// Diff lists what differs between two tree items, in byte order of the paths
// with a folder before what it holds. Parts that both have are not read. Content is read
// only of small files that moved to another chunk and have another mtime but the same
// size; the others are told by their size, their chunks, or an mtime that did not move.
func Diff(ctx context.Context, r Reader, from, to ocispec.Descriptor) ([]Change, error) {
	dec, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	d := differ{reader: r, decoder: dec}
	old, err := d.parts(ctx, from)
	if err != nil {
		return nil, err
	}
	now, err := d.parts(ctx, to)
	if err != nil {
		return nil, err
	}
	before, err := d.entries(ctx, old, now)
	if err != nil {
		return nil, err
	}
	after, err := d.entries(ctx, now, old)
	if err != nil {
		return nil, err
	}
	return d.changes(ctx, before, after)
}

type differ struct {
	reader  Reader
	decoder *Decoder
	plain   [2]plainChunk // the last one of each side
}

type plainChunk struct {
	digest repo.Digest
	data   []byte
}

func (d *differ) parts(ctx context.Context, item ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	var list []ocispec.Descriptor
	err := repo.WalkParts(ctx, d.reader, item, func(desc ocispec.Descriptor) error {
		list = append(list, desc)
		return nil
	})
	return list, err
}

// entries lists what the parts hold that are not among the others, by path.
func (d *differ) entries(ctx context.Context, parts, others []ocispec.Descriptor) (map[string]*located, error) {
	known := make(map[string]bool, len(others))
	for _, desc := range others {
		known[desc.Digest.String()] = true
	}
	found := make(map[string]*located)
	for _, desc := range parts {
		if known[desc.Digest.String()] {
			continue
		}
		part, err := readPart(ctx, d.reader, desc)
		if err != nil {
			return nil, err
		}
		if err := part.groups(ctx, d.reader, d.decoder, func(g *group) error { return locate(part, g, found) }); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func locate(part *Part, g *group, found map[string]*located) error {
	if g.end {
		return nil
	}
	if g.continued {
		l := found[g.path]
		if l == nil { // it began in a part that both items have
			l = &located{Entry: Entry{Path: g.path}}
			found[g.path] = l
		}
		l.chunks = append(l.chunks, part.content(g)...)
		return nil
	}
	var last *located
	err := scanEntries(g.lines, func(e *Entry) error {
		last = &located{Entry: *e}
		if g.layer >= 0 {
			last.run = part.Layers[g.layer]
		}
		found[e.Path] = last
		return nil
	})
	if err == nil && last != nil && g.layer >= 0 {
		last.chunks = append(last.chunks, part.content(g)...)
	}
	return err
}
