package daemonjson

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// encoding is how a file's characters are stored: UTF-8, or UTF-16 as Windows editors
// write it; dockerd reads both by their byte order mark.
type encoding struct {
	mark  []byte
	order byteOrder // nil: UTF-8
}

func encodings() []encoding {
	return []encoding{
		{mark: []byte{0xef, 0xbb, 0xbf}},
		{mark: []byte{0xff, 0xfe}, order: binary.LittleEndian},
		{mark: []byte{0xfe, 0xff}, order: binary.BigEndian},
	}
}

// decode returns a file's text as UTF-8 and how it was stored.
func decode(data []byte) ([]byte, encoding, error) {
	for _, e := range encodings() {
		rest, ok := bytes.CutPrefix(data, e.mark)
		if !ok {
			continue
		}
		if e.order == nil {
			return rest, e, nil
		}
		if len(rest)%2 != 0 {
			return nil, e, errors.New("it is cut in the middle of a character")
		}
		units := make([]uint16, len(rest)/2)
		for i := range units {
			units[i] = e.order.Uint16(rest[2*i:])
		}
		return []byte(string(utf16.Decode(units))), e, nil
	}
	return data, encoding{}, nil
}

// encode is the inverse of decode.
func (e encoding) encode(text []byte) []byte {
	out := bytes.Clone(e.mark)
	if e.order == nil {
		return append(out, text...)
	}
	for _, unit := range utf16.Encode([]rune(string(text))) {
		out = e.order.AppendUint16(out, unit)
	}
	return out
}

// byteOrder reads and writes numbers of two bytes.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}
