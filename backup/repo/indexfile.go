package repo

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"

	"davit/backup/repo/storage"
)

// An index file is a header, records in strictly ascending order of (id,
// digest), and the SHA-256 of all bytes before it. Numbers are big-endian.
const (
	indexMagic     = "davitidx"
	indexVersion   = 1
	indexHeaderLen = 32 // magic, version 4, record length 4, sequence 8, zero 8
	indexRecordLen = 80 // id 32, digest 32, plain length 8, stored length 8
	indexSumLen    = sha256.Size
	maxIndexFile   = 16 << 30
)

func isIndexName(name string) bool {
	stem, ok := strings.CutSuffix(name, ".idx")
	return ok && stem != "" && strings.Trim(stem, "0123456789abcdef-") == ""
}

func indexFileName(run string, n int64) string { return fmt.Sprintf("%s-%d.idx", run, n) }

// indexFile is an index file whose checksum and order were found right.
type indexFile struct {
	name     string
	file     *os.File
	size     int64
	sequence uint64 // larger in files written later
}

// openError is that a file could not be opened: nothing can be said of what is in it.
type openError struct{ err error }

func (e *openError) Error() string { return e.err.Error() }
func (e *openError) Unwrap() error { return e.err }

// openIndexFile checks the whole file and returns, beside it, the first eight
// bytes of each record's id, in the file's order.
// A copy that is here and damaged is fetched again.
func openIndexFile(ctx context.Context, store storage.Storage, folder, name string) (*indexFile, []uint64, error) {
	f, prefixes, err := openIndexCopy(ctx, store, folder, name, false)
	if err == nil || store.Local() || errors.Is(err, fs.ErrNotExist) {
		return f, prefixes, err
	}
	return openIndexCopy(ctx, store, folder, name, true)
}

func openIndexCopy(ctx context.Context, store storage.Storage, folder, name string, fresh bool) (_ *indexFile, prefixes []uint64, err error) {
	file, size, err := store.OpenAt(ctx, folder+"/"+name, fresh)
	if err != nil {
		return nil, nil, &openError{err}
	}
	f := &indexFile{name: name, file: file, size: size}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	records, err := f.records()
	if err != nil {
		return nil, nil, err
	}
	f.sequence = records.sequence
	prefixes = make([]uint64, 0, records.left)
	for {
		b, err := records.Next()
		if errors.Is(err, io.EOF) {
			return f, prefixes, nil
		}
		if err != nil {
			return nil, nil, err
		}
		prefixes = append(prefixes, prefixOf(b.ID))
	}
}

// at reads one record.
func (f *indexFile) at(n int64) (Blob, error) {
	var buf [indexRecordLen]byte
	if _, err := f.file.ReadAt(buf[:], indexHeaderLen+n*indexRecordLen); err != nil {
		return Blob{}, err
	}
	return decodeRecord(buf[:]), nil
}

func (f *indexFile) records() (*recordReader, error) {
	return newRecordReader(io.NewSectionReader(f.file, 0, f.size), f.size)
}

// recordReader reads an index file from its beginning. The records are right
// only once Next has returned io.EOF: the checksum stands at the end.
type recordReader struct {
	in       *bufio.Reader
	sum      hash.Hash
	left     int64
	sequence uint64
	last     Blob
	started  bool
}

func newRecordReader(in io.Reader, size int64) (*recordReader, error) {
	payload := size - indexHeaderLen - indexSumLen
	if payload < 0 || payload%indexRecordLen != 0 || size > maxIndexFile {
		return nil, fmt.Errorf("%d bytes is no length of an index file", size)
	}
	r := &recordReader{in: bufio.NewReaderSize(in, int(min(size, 256*kib))), sum: sha256.New(), left: payload / indexRecordLen}
	var header [indexHeaderLen]byte
	if err := r.read(header[:]); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	switch {
	case string(header[:8]) != indexMagic:
		return nil, errors.New("not an index file")
	case binary.BigEndian.Uint32(header[8:]) != indexVersion:
		return nil, fmt.Errorf("unknown index version %d", binary.BigEndian.Uint32(header[8:]))
	case binary.BigEndian.Uint32(header[12:]) != indexRecordLen:
		return nil, fmt.Errorf("unknown record length %d", binary.BigEndian.Uint32(header[12:]))
	}
	r.sequence = binary.BigEndian.Uint64(header[16:])
	return r, nil
}

func (r *recordReader) read(buf []byte) error {
	if _, err := io.ReadFull(r.in, buf); err != nil {
		return err
	}
	r.sum.Write(buf)
	return nil
}

// Next returns io.EOF after the last record, when the checksum is right.
func (r *recordReader) Next() (Blob, error) {
	if r.left == 0 {
		return Blob{}, r.finish()
	}
	var buf [indexRecordLen]byte
	if err := r.read(buf[:]); err != nil {
		return Blob{}, fmt.Errorf("read record: %w", err)
	}
	b := decodeRecord(buf[:])
	if b.Len < 0 || b.Stored < 0 {
		return Blob{}, errors.New("record with a negative length")
	}
	if r.started && compareBlobs(r.last, b) >= 0 {
		return Blob{}, errors.New("records out of order")
	}
	r.last, r.started, r.left = b, true, r.left-1
	return b, nil
}

func (r *recordReader) finish() error {
	var want [indexSumLen]byte
	if _, err := io.ReadFull(r.in, want[:]); err != nil {
		return fmt.Errorf("read checksum: %w", err)
	}
	if !bytes.Equal(r.sum.Sum(nil), want[:]) {
		return errors.New("wrong checksum")
	}
	return io.EOF
}

// writeIndexFile writes records, which must come in order, atomically and
// durably. An error that records yields aborts it.
func (r *Repository) writeIndexFile(ctx context.Context, name string, sequence uint64, records iter.Seq2[Blob, error]) error {
	return r.store.PutFrom(ctx, name, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 256*kib)
		if err := encodeIndex(buffered, sequence, records); err != nil {
			return err
		}
		return buffered.Flush()
	})
}

func encodeIndex(w io.Writer, sequence uint64, records iter.Seq2[Blob, error]) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	header := make([]byte, 0, indexHeaderLen)
	header = append(header, indexMagic...)
	header = binary.BigEndian.AppendUint32(header, indexVersion)
	header = binary.BigEndian.AppendUint32(header, indexRecordLen)
	header = binary.BigEndian.AppendUint64(header, sequence)
	header = binary.BigEndian.AppendUint64(header, 0)
	if _, err := out.Write(header); err != nil {
		return err
	}
	buf := make([]byte, 0, indexRecordLen)
	for b, err := range records {
		if err != nil {
			return err
		}
		if _, err := out.Write(appendRecord(buf, b)); err != nil {
			return err
		}
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

func appendRecord(buf []byte, b Blob) []byte {
	buf = append(buf, b.ID[:]...)
	buf = append(buf, b.Digest[:]...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(b.Len))
	return binary.BigEndian.AppendUint64(buf, uint64(b.Stored))
}

func decodeRecord(buf []byte) Blob {
	return Blob{
		ID:     ID(buf[:32]),
		Digest: Digest(buf[32:64]),
		Len:    int64(binary.BigEndian.Uint64(buf[64:])),
		Stored: int64(binary.BigEndian.Uint64(buf[72:])),
	}
}

func compareBlobs(a, b Blob) int {
	return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), bytes.Compare(a.Digest[:], b.Digest[:]))
}

func prefixOf(id ID) uint64 { return binary.BigEndian.Uint64(id[:]) }
