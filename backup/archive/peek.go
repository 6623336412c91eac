package archive

import (
	"bufio"
	"io"
)

// peek gives r with its first bytes in view.
func peek(r io.Reader) (in io.Reader, head []byte, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, err = br.Peek(sniffLen)
	if err == io.EOF {
		err = nil
	}
	return br, head, err
}
