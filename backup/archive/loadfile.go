package archive

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Open opens an archive file for an engine to load. How it is packed is seen
// from its content, whatever its name.
//
// Every engine unpacks gzip and bzip2, so these go as they are. What needs a
// program beside the engine (xz), or a newer engine than 23 (zstd), is
// unpacked here. The caller closes.
func Open(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	r, err := Loadable(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open archive %s: %w", path, err), file.Close())
	}
	return &opened{ReadCloser: r, file: file}, nil
}

// opened closes the file after its decoder.
type opened struct {
	io.ReadCloser
	file *os.File
}

func (o *opened) Close() error { return errors.Join(o.ReadCloser.Close(), o.file.Close()) }

// Loadable is Open for a stream, such as standard input. Closing the result
// does not close r.
func Loadable(r io.Reader) (io.ReadCloser, error) {
	in, head, err := peek(r)
	if err != nil {
		return nil, err
	}
	if len(head) == 0 {
		return nil, errors.New("it is empty")
	}
	packed := sniff(head)
	switch packed {
	case gzipped, bzipped:
		return io.NopCloser(in), nil
	case plain:
		if !isTar(head) && !oldTar(head) {
			return nil, errors.New("it is no archive")
		}
	}
	return decompress(in, packed, maxLayer)
}

// oldTar sees a tar header without a magic by its checksum.
func oldTar(head []byte) bool {
	if len(head) < 512 {
		return false
	}
	var sum, said int64
	for i, b := range head[:512] {
		if i >= 148 && i < 156 {
			if b >= '0' && b <= '7' {
				said = said<<3 | int64(b-'0')
			}
			b = ' '
		}
		sum += int64(b)
	}
	return sum == said
}
