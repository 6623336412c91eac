package archive

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compression is what the first bytes of a file say it is packed with.
type compression int

const (
	plain compression = iota
	gzipped
	zstandard
	xzipped
	bzipped
)

func (c compression) String() string {
	return [...]string{"none", "gzip", "zstd", "xz", "bzip2"}[c]
}

// sniffLen bytes decide what a file is.
const sniffLen = 1024

func sniff(head []byte) compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		return gzipped
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), skippable(head):
		return zstandard
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return xzipped
	case bytes.HasPrefix(head, []byte("BZh")):
		return bzipped
	}
	return plain
}

// skippable sees a zstd skippable frame, with which zstd:chunked layers and
// pzstd files may begin.
func skippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// isTar sees the beginning of a tar archive: a header with its magic, or the
// zero blocks of an empty one.
func isTar(head []byte) bool {
	if len(head) >= 263 && bytes.Equal(head[257:262], []byte("ustar")) {
		return true
	}
	return len(head) >= sniffLen && len(bytes.Trim(head[:sniffLen], "\x00")) == 0
}

var errTooLong = errors.New("uncompressed data is too long")

// decompress gives the plain bytes of what r packs, at most limit of them.
// The caller closes.
func decompress(r io.Reader, c compression, limit int64) (io.ReadCloser, error) {
	switch c {
	case plain:
		return io.NopCloser(r), nil
	case gzipped:
		zr, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return &bounded{ReadCloser: zr, left: limit}, nil
	case zstandard:
		zr, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return &bounded{ReadCloser: zr.IOReadCloser(), left: limit}, nil
	case bzipped:
		return &bounded{ReadCloser: io.NopCloser(bzip2.NewReader(r)), left: limit}, nil
	case xzipped:
		zr, err := newXZReader(r)
		if err != nil {
			return nil, err
		}
		return &bounded{ReadCloser: io.NopCloser(zr), left: limit}, nil
	}
	return nil, errors.New("unknown compression")
}

// bounded is an io.LimitReader that tells a cut from an end.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
