package archive

import (
	"bufio"
	"errors"
	"io"

	"github.com/ulikunitz/xz"
)

// maxXZDict is what `xz -9` needs four times; more is asked for by hand only.
const maxXZDict = 256 << 20

// newXZReader reads an xz file whose first block asks for a bearable
// dictionary: the library allocates what the file says, up to 4 GiB.
func newXZReader(r io.Reader) (io.Reader, error) {
	br := bufio.NewReader(r)
	head, err := br.Peek(12 + 1)
	if err != nil {
		return nil, err
	}
	// The byte gives the header's length in units of 4; 0 is an empty file.
	if n := int(head[12]); n != 0 {
		if head, err = br.Peek(12 + (n+1)*4); err != nil {
			return nil, err
		}
		if dictSize(head[12:]) > maxXZDict {
			return nil, errors.New("xz: dictionary too large")
		}
	}
	return xz.NewReader(br)
}

// dictSize reads the LZMA2 dictionary size of a block header; 0 when it finds
// none, which the library then refuses.
func dictSize(h []byte) uint64 {
	i := 2
	for _, flag := range []byte{0x40, 0x80} { // compressed and uncompressed length
		if h[1]&flag == 0 {
			continue
		}
		for i < len(h) && h[i]&0x80 != 0 {
			i++
		}
		i++
	}
	if i+2 >= len(h) || h[i] != 0x21 || h[i+1] != 1 {
		return 0
	}
	bits := h[i+2] & 0x3f
	if bits > 40 {
		return 0
	}
	return uint64(2|bits&1) << (bits/2 + 11)
}
