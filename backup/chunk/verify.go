package chunk

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// BlobChecker is what verifying needs beside reading.
type BlobChecker interface {
	Reader
	// HasFile tells whether the blob's file is there, and its size.
	HasFile(d repo.Digest) (size int64, ok bool)
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

// Verify checks a tree item: every part, catalog and chunk is there with its
// size, and catalogs and parts agree. With readData every chunk is read too: it
// has its digest, decodes to its id, and holds the entries that its catalog
// names, at the places it names. Chunks in good are not read again, and those that
// prove good are added. An error other than damage ends it.
func Verify(ctx context.Context, r BlobChecker, item ocispec.Descriptor, readData bool, good map[repo.Digest]struct{}, found func(Damage)) error {
	dec, err := NewDecoder()
	if err != nil {
		return err
	}
	defer dec.Close()
	v := &verifier{reader: r, decoder: dec, readData: readData, good: good, found: found}
	err = repo.WalkParts(ctx, r, item, func(desc ocispec.Descriptor) error {
		return v.damaged(v.part(ctx, desc))
	})
	return v.damaged(err)
}

type verifier struct {
	reader   BlobChecker
	decoder  *Decoder
	readData bool
	good     map[repo.Digest]struct{}
	found    func(Damage)
	big      string // the file whose content continues
}

// damaged reports damage of a manifest or catalog: nothing below it can be read.
func (v *verifier) damaged(err error) error {
	var damage *repo.DamagedError
	if errors.As(err, &damage) {
		v.found(Damage{Digest: damage.Digest, Reason: damage.Reason, Whole: true})
		return nil
	}
	return err
}

func (v *verifier) part(ctx context.Context, desc ocispec.Descriptor) error {
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
		for _, blob := range part.content(g) {
			if err := v.chunk(ctx, blob, func() []string { return []string{v.big} }, nil); err != nil {
				return &visitError{err}
			}
		}
		return nil
	})
}

// run checks the chunk of a run against its catalog lines.
func (v *verifier) run(ctx context.Context, blob repo.Blob, g *group) error {
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
func (v *verifier) chunk(ctx context.Context, blob repo.Blob, files func() []string, check func([]byte) error) error {
	if _, ok := v.good[blob.Digest]; ok {
		return nil
	}
	reason, err := v.inspect(ctx, blob, check)
	if err != nil {
		return err
	}
	if reason != "" {
		v.found(Damage{Digest: blob.Digest, Reason: reason, Files: files()})
		return nil
	}
	if v.readData {
		v.good[blob.Digest] = struct{}{}
	}
	return nil
}

func (v *verifier) inspect(ctx context.Context, blob repo.Blob, check func([]byte) error) (reason string, err error) {
	size, ok := v.reader.HasFile(blob.Digest)
	switch {
	case !ok:
		return "missing", nil
	case size != blob.Stored:
		return fmt.Sprintf("%d bytes, %d expected", size, blob.Stored), nil
	case !v.readData:
		return "", nil
	}
	stored, err := v.reader.ReadBlob(ctx, blob.Digest, blob.Stored, nil)
	var damage *repo.DamagedError
	if errors.As(err, &damage) {
		return damage.Reason, nil
	}
	if err != nil {
		return "", err
	}
	plain, err := openFrame(v.reader, v.decoder, blob, stored, nil, nil)
	if errors.As(err, &damage) {
		return damage.Reason, nil
	}
	if err != nil {
		return "", err
	}
	if v.reader.ContentID(plain) != blob.ID {
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
