package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"davit/backup/repo"

	"github.com/klauspost/compress/zstd"
)

// file is what became of one file of a stream.
type file struct {
	digest  repo.Digest // of its bytes in the stream
	size    int64
	diff    repo.ID // of its bytes uncompressed
	length  int64   // uncompressed
	packed  compression
	tarball bool        // an uncompressed layer
	stored  repo.Digest // the blob in the repository: digest itself, or its zstd form
	kept    int64       // that blob's length
	doc     []byte      // a JSON document, held until the end of the stream
	bad     error       // what makes it unusable: no image may refer to it
}

// asIs says that the repository holds the very bytes of the stream.
func (f *file) asIs() bool { return f.stored == f.digest }

// layers writes the files of a stream into the repository.
type layers struct {
	store Store
	enc   *zstd.Encoder
	in    *bufio.Reader
	buf   []byte
	fresh int   // blobs written
	bytes int64 // their length
}

func newLayers(store Store, level zstd.EncoderLevel) (*layers, error) {
	if level == 0 {
		level = zstd.SpeedDefault
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	return &layers{store: store, enc: enc, in: bufio.NewReaderSize(nil, 64<<10), buf: make([]byte, 256<<10)}, nil
}

// save reads r, size bytes, to its end and stores it: an uncompressed tar as
// one zstd frame under its diff id, anything else as it is. A file whose name
// tells its digest is checked against it, and not written when the repository
// has it. Errors of r and of the repository are returned; a file that is
// merely wrong is marked so.
func (l *layers) save(ctx context.Context, r io.Reader, size int64, name *repo.Digest) (*file, error) {
	l.in.Reset(r)
	head, err := l.in.Peek(sniffLen)
	if err != nil && err != io.EOF {
		return nil, err
	}
	f := &file{size: size, packed: sniff(head)}
	f.tarball = f.packed == plain && isTar(head)
	var w *repo.BlobWriter
	if _, known := l.lookup(f, name); !known {
		if w, err = l.store.NewBlob(ctx); err != nil {
			return nil, err
		}
	}
	if err := l.pass(f, w); err != nil {
		return nil, errors.Join(err, abort(w))
	}
	if name != nil && f.bad == nil && f.digest != *name {
		f.bad = fmt.Errorf("blob %s holds %s", name, f.digest)
	}
	if f.bad != nil {
		return f, abort(w)
	}
	return f, l.settle(f, w)
}

// lookup finds a file's content in the repository. The form of an uncompressed
// layer is the repository's affair; anything else is needed byte for byte.
func (l *layers) lookup(f *file, d *repo.Digest) (repo.Blob, bool) {
	switch {
	case d == nil:
		return repo.Blob{}, false
	case f.tarball:
		return l.store.Lookup(repo.ID(*d))
	}
	return l.store.LookupBlob(*d)
}

// pass reads the file once, into the digests and, if there is one, into w.
func (l *layers) pass(f *file, w *repo.BlobWriter) error {
	sum := sha256.New()
	out := []io.Writer{sum}
	var diff *differ
	if f.packed == gzipped || f.packed == zstandard {
		diff = newDiffer(f.packed)
		out = append(out, diff)
	}
	switch {
	case w != nil && f.tarball:
		// The length goes into the frame's header, where readers look for it.
		l.enc.ResetContentSize(w, f.size)
		out = append(out, l.enc)
	case w != nil:
		out = append(out, w)
	}
	n, err := io.CopyBuffer(io.MultiWriter(out...), onlyReader{l.in}, l.buf)
	if w != nil && f.tarball {
		err = errors.Join(err, l.enc.Close())
	}
	if err == nil && n != f.size {
		err = io.ErrUnexpectedEOF
	}
	sum.Sum(f.digest[:0])
	f.diff, f.length = repo.ID(f.digest), f.size
	if diff != nil {
		f.diff, f.length, f.bad = diff.finish(err)
	}
	return err
}

// settle makes the file part of the repository, where the same content may
// have come in by another way.
func (l *layers) settle(f *file, w *repo.BlobWriter) error {
	if b, known := l.lookup(f, &f.digest); known {
		f.stored, f.kept = b.Digest, b.Stored
		return abort(w)
	}
	if w == nil {
		return fmt.Errorf("blob %s left the repository's index", f.digest)
	}
	b, err := w.Commit(repo.ID(f.digest), f.size)
	if err != nil {
		return err
	}
	f.stored, f.kept = b.Digest, b.Stored
	l.fresh++
	l.bytes += b.Stored
	return nil
}

func abort(w *repo.BlobWriter) error {
	if w != nil {
		w.Abort()
	}
	return nil
}

// onlyReader hides WriteTo, with which io.Copy would pass bufio's small buffer.
type onlyReader struct{ io.Reader }

// differ computes the diff id of a compressed layer that is written to it.
type differ struct {
	*io.PipeWriter
	done   chan struct{}
	id     repo.ID
	length int64
	err    error
}

func newDiffer(c compression) *differ {
	pr, pw := io.Pipe()
	d := &differ{PipeWriter: pw, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.id, d.length, d.err = plainSum(pr, c)
		// The rest must still be taken: the writer does not wait for reasons.
		_, _ = io.Copy(io.Discard, pr)
	}()
	return d
}

// finish ends the layer, with err when it was not read to its end.
func (d *differ) finish(err error) (repo.ID, int64, error) {
	d.CloseWithError(err)
	<-d.done
	return d.id, d.length, d.err
}

func plainSum(r io.Reader, c compression) (id repo.ID, n int64, err error) {
	dec, err := decompress(r, c, maxLayer)
	if err != nil {
		return id, 0, fmt.Errorf("uncompress layer: %w", err)
	}
	defer dec.Close()
	sum := sha256.New()
	if n, err = io.Copy(sum, dec); err != nil {
		return id, 0, fmt.Errorf("uncompress layer: %w", err)
	}
	sum.Sum(id[:0])
	return id, n, nil
}
