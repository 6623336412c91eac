package chunk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// BlobChecker is what verifying needs beside reading.
type BlobChecker interface {
	Reader
	// HasFile tells whether the blob's file is there, and its size.
	HasFile(ctx context.Context, d repo.Digest) (size int64, ok bool, err error)
}

// Damage is a blob that is missing or not what it should be, and the files of
// the item that are lost with it. Whole says that all of them are.
type Damage struct {
	Digest repo.Digest
	Reason string
	Files  []string
	Whole  bool
}

// maxDamagedFiles bounds the list of files per damage.
const maxDamagedFiles = 1000

// A Look has a chunk read: now or later, perhaps by another goroutine, or not at all when it is not to be or was
// before. When it is damaged, now or as it was found before, bad is told why. Room is about what read takes of memory.
type Look func(d repo.Digest, room int64, read func(context.Context) (reason string, err error), bad func(reason string)) error

// Verifier checks the tree items of one repository. Parts that one item shares with another are looked at once.
// It is for one goroutine.
type Verifier struct {
	reader  BlobChecker
	decoder *Decoder
	readers sync.Pool               // of *chunkReader
	parts   map[repo.Digest]*viewed // that were looked at
}

// viewed is what came of a part. It is for good only when the item it was first found in was done.
type viewed struct {
	damaged atomic.Bool
	big     string // the file whose content may continue in the next part
}

// NewVerifier returns a verifier; Close ends it.
func NewVerifier(r BlobChecker) (*Verifier, error) {
	dec, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	v := &Verifier{reader: r, decoder: dec, parts: make(map[repo.Digest]*viewed)}
	v.readers.New = func() any { return &chunkReader{reader: r, decoder: dec} }
	return v, nil
}

// Close frees the decoder.
func (v *Verifier) Close() { v.decoder.Close() }

// Item checks that every part, catalog and chunk is there with its size, and that catalogs and parts
// agree. With a look chunks are read, too: each has its digest, decodes to its id, and holds the entries
// that its catalog names, at the places it names. The caller waits for what look has begun before the next item.
// An error other than damage ends it.
func (v *Verifier) Item(ctx context.Context, item ocispec.Descriptor, look Look, found func(Damage)) error {
	i := &itemVerifier{Verifier: v, look: look, found: found}
	err := repo.WalkParts(ctx, v.reader, item, func(desc ocispec.Descriptor) error {
		return i.damaged(i.part(ctx, desc))
	})
	return i.damaged(err)
}

// itemVerifier checks one item.
type itemVerifier struct {
	*Verifier
	look  Look // nil: nothing is read
	found func(Damage)
	at    *viewed // the part that is looked at
	big   string  // the file whose content continues
}

// damaged reports damage of a manifest or catalog: nothing below it can be read.
func (v *itemVerifier) damaged(err error) error {
	var damage *repo.DamagedError
	if errors.As(err, &damage) {
		v.found(Damage{Digest: damage.Digest, Reason: damage.Reason, Whole: true})
		return nil
	}
	return err
}

func (v *itemVerifier) part(ctx context.Context, desc ocispec.Descriptor) error {
	digest, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return err
	}
	if known, ok := v.parts[digest]; ok && !known.damaged.Load() {
		v.big = known.big
		return nil
	}
	view := &viewed{}
	v.parts[digest], v.at = view, view
	err = v.groups(ctx, desc)
	if err != nil {
		view.damaged.Store(true)
	}
	view.big = v.big
	return err
}

func (v *itemVerifier) groups(ctx context.Context, desc ocispec.Descriptor) error {
	part, err := readPart(ctx, v.reader, desc)
	if err != nil {
		return err
	}
	return part.groups(ctx, v.reader, v.decoder, func(g *group) error {
		if err := ctx.Err(); err != nil {
			return &visitError{err}
		}
		if g.layer < 0 {
			return nil
		}
		if !g.continued {
			if err := v.run(ctx, part.Layers[g.layer], g); err != nil {
				return err
			}
		} else if v.big == "" {
			v.big = g.path
		}
		big := v.big
		for _, blob := range part.content(g) {
			if err := v.chunk(ctx, blob, func() []string { return []string{big} }, nil); err != nil {
				return &visitError{err}
			}
		}
		return nil
	})
}

// run checks the chunk of a run against its catalog lines.
func (v *itemVerifier) run(ctx context.Context, blob repo.Blob, g *group) error {
	v.big = ""
	var entries []Entry
	err := scanEntries(g.lines, func(e *Entry) error {
		entries = append(entries, *e)
		if e.Chunks > 0 {
			v.big = e.Path
		}
		return nil
	})
	if err != nil {
		return err
	}
	files := func() []string {
		paths := make([]string, 0, len(entries))
		for _, e := range entries {
			paths = append(paths, e.Path)
		}
		return paths[:min(len(paths), maxDamagedFiles)]
	}
	check := func(plain []byte) error { return agree(plain, entries) }
	if g.end {
		check = nil
	}
	if err := v.chunk(ctx, blob, files, check); err != nil {
		return &visitError{err}
	}
	return nil
}

// chunk checks one blob; files names what it holds when it is damaged.
func (v *itemVerifier) chunk(ctx context.Context, blob repo.Blob, files func() []string, check func([]byte) error) error {
	part := v.at
	bad := func(reason string) {
		part.damaged.Store(true)
		v.found(Damage{Digest: blob.Digest, Reason: reason, Files: files()})
	}
	size, ok, err := v.reader.HasFile(ctx, blob.Digest)
	switch {
	case err != nil:
		return err
	case !ok:
		bad("missing")
	case size != blob.Stored:
		bad(fmt.Sprintf("%d bytes, %d expected", size, blob.Stored))
	case v.look != nil:
		room := 2*blob.Stored + blob.Len
		return v.look(blob.Digest, room, func(ctx context.Context) (string, error) { return v.inspect(ctx, blob, check) }, bad)
	}
	return nil
}

// inspect reads a chunk and says what is wrong with it. It may be called concurrently.
func (v *Verifier) inspect(ctx context.Context, blob repo.Blob, check func([]byte) error) (reason string, err error) {
	reader := v.readers.Get().(*chunkReader)
	defer v.readers.Put(reader)
	plain, err := reader.read(ctx, blob)
	if damage := (*repo.DamagedError)(nil); errors.As(err, &damage) {
		return damage.Reason, nil
	}
	switch {
	case err != nil:
		return "", err
	case !v.reader.Encrypted() && v.reader.ContentID(plain) != blob.ID: // else the reader compared them
		return "content is not what its id says", nil
	}
	if check != nil {
		if err := check(plain); err != nil {
			return err.Error(), nil
		}
	}
	return "", nil
}

// agree compares the entries of a run with its catalog lines.
func agree(plain []byte, entries []Entry) error {
	reader := &entryReader{data: plain}
	for i := range entries {
		want := &entries[i]
		if want.Kind == KindSocket {
			continue
		}
		if !reader.more() {
			return fmt.Errorf("catalog names %q, the chunk does not hold it", want.Path)
		}
		var e streamEntry
		if err := reader.next(&e); err != nil {
			return err
		}
		h := &e.header
		if h.path != want.Path || h.kind != want.Kind.typeflag() || int64(e.offset) != want.Offset || h.mode != want.Mode {
			return fmt.Errorf("catalog and chunk differ at %q", want.Path)
		}
	}
	if reader.more() {
		return fmt.Errorf("the chunk holds entries that the catalog does not name")
	}
	return nil
}
