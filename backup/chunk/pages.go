package chunk

import (
	"bytes"
	"encoding/binary"
)

// pageSpan is the length of the chunks of a page file.
const pageSpan = 128 << 10

// isPageFile tells by its first bytes whether a file is one that its program
// writes in place, page by page, and never shifts: of PostgreSQL or SQLite. Cuts
// by content gain nothing there and cost much, since each page that is written
// makes all of its chunk new; such a file is cut at multiples of [pageSpan]. A
// file that is taken for one and is none only deduplicates less.
func isPageFile(head []byte) bool {
	return isPostgresPage(head) || bytes.HasPrefix(head, []byte("SQLite format 3\x00"))
}

// isPostgresPage checks the header of a page, PageHeaderData in PostgreSQL's
// storage/bufpage.h: the bounds of its free space are in order, and it names its
// own size and layout version 4, which is that of 8.3 and all later ones.
func isPostgresPage(head []byte) bool {
	const header, layout = 24, 4
	if len(head) < header {
		return false
	}
	number := func(at int) uint16 { return binary.LittleEndian.Uint16(head[at:]) }
	lower, upper, special, sizeAndLayout := number(12), number(14), number(16), number(18)
	size := sizeAndLayout &^ 0xff
	return sizeAndLayout&0xff == layout && size >= 1024 && size&(size-1) == 0 &&
		header <= lower && lower <= upper && upper <= special && special <= size
}
