package chunk

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// postgresPage is the header that PostgreSQL 15 writes at the beginning of a page, with free space from lower
// to upper and nothing special at its end.
func postgresPage(lower, upper, sizeAndLayout uint16) []byte {
	page := make([]byte, 8192)
	for at, n := range map[int]uint16{12: lower, 14: upper, 16: 8192, 18: sizeAndLayout} {
		binary.LittleEndian.PutUint16(page[at:], n)
	}
	return page
}

func TestPageFiles(t *testing.T) {
	for name, c := range map[string]struct {
		head []byte
		want bool
	}{
		"PostgreSQL table":        {postgresPage(236, 512, 8192|4), true},
		"PostgreSQL, full page":   {postgresPage(512, 512, 8192|4), true},
		"another layout":          {postgresPage(236, 512, 8192|3), false},
		"size is no power of two": {postgresPage(236, 512, 8448|4), false},
		"free space upside down":  {postgresPage(512, 236, 8192|4), false},
		"free space in header":    {postgresPage(8, 512, 8192|4), false},
		"SQLite":                  {[]byte("SQLite format 3\x00\x10\x00"), true},
		"text about SQLite":       {[]byte("SQLite format 3 is a format"), false},
		"zeros":                   {make([]byte, 8192), false},
		"short":                   {[]byte{1}, false},
	} {
		if got := isPageFile(c.head); got != c.want {
			t.Errorf("%s: page file %v", name, got)
		}
	}
}

// One page that is written makes one chunk new; other files are still cut by content.
func TestPageFilesAreCutEvenly(t *testing.T) {
	data := bytes.Repeat(postgresPage(236, 512, 8192|4), 200)
	c := newCutter(DefaultParams(), newGear(nil))
	var lengths []int
	for rest := data; len(rest) > 0; {
		n := c.next(&scan{}, rest)
		if n == 0 {
			n = len(rest)
		}
		lengths, rest = append(lengths, n), rest[n:]
	}
	for i, n := range lengths[:len(lengths)-1] {
		if n != pageSpan {
			t.Errorf("chunk %d has %d bytes", i, n)
		}
	}
	if len(lengths) != (len(data)+pageSpan-1)/pageSpan {
		t.Errorf("%d chunks", len(lengths))
	}
	data[18] = 0
	if n := newCutter(DefaultParams(), newGear(nil)).next(&scan{}, data); n != 0 {
		t.Errorf("a file like others is cut at %d", n)
	}
}
