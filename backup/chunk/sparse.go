package chunk

import (
	"bytes"
	"fmt"
	"strconv"

	"davit/engine/hostfs"
)

// maxSegments bounds the map of a sparse file: with more, the smallest holes are
// stored as zeros.
const maxSegments = 16384

// limitSegments joins neighbours over the smallest holes until the map is short
// enough. The result depends on the map alone.
func limitSegments(segments []hostfs.Segment) []hostfs.Segment {
	for gap := int64(64 << 10); len(segments) > maxSegments; gap *= 2 {
		joined := append(make([]hostfs.Segment, 0, len(segments)), segments[0])
		for _, s := range segments[1:] {
			last := &joined[len(joined)-1]
			if s.Off-(last.Off+last.Len) < gap {
				last.Len = s.Off + s.Len - last.Off
				continue
			}
			joined = append(joined, s)
		}
		segments = joined
	}
	return segments
}

// isDense tells whether segments cover a file of this size without a hole.
func isDense(segments []hostfs.Segment, size int64) bool {
	return size == 0 || len(segments) == 1 && segments[0].Off == 0 && segments[0].Len == size
}

func contentSize(segments []hostfs.Segment) int64 {
	var n int64
	for _, s := range segments {
		n += s.Len
	}
	return n
}

// appendSparseMap writes the map of GNU sparse format 1.0 and pads it to a
// block. A hole at the end is closed by an empty segment, as GNU tar wants it.
func appendSparseMap(dst []byte, segments []hostfs.Segment, size int64) []byte {
	at := len(dst)
	end := int64(0)
	if n := len(segments); n > 0 {
		end = segments[n-1].Off + segments[n-1].Len
	}
	count := len(segments)
	if end < size || count == 0 {
		count++
	}
	dst = append(strconv.AppendInt(dst, int64(count), 10), '\n')
	for _, s := range segments {
		dst = append(strconv.AppendInt(dst, s.Off, 10), '\n')
		dst = append(strconv.AppendInt(dst, s.Len, 10), '\n')
	}
	if count > len(segments) {
		dst = append(strconv.AppendInt(dst, size, 10), "\n0\n"...)
	}
	return appendZeros(dst, padding(int64(len(dst)-at)))
}

// parseSparseMap reads a map at the start of data and returns it with its padded
// length. Segments are in order, do not overlap and lie inside size.
func parseSparseMap(data []byte, size int64) ([]hostfs.Segment, int64, error) {
	at := 0
	number := func() (int64, error) {
		end := bytes.IndexByte(data[at:min(len(data), at+21)], '\n')
		if end < 0 {
			return 0, fmt.Errorf("sparse map: number expected at byte %d", at)
		}
		n, err := strconv.ParseInt(string(data[at:at+end]), 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("sparse map: bad number at byte %d", at)
		}
		at += end + 1
		return n, nil
	}
	count, err := number()
	if err != nil {
		return nil, 0, err
	}
	if count > maxSegments+1 {
		return nil, 0, fmt.Errorf("sparse map: %d segments", count)
	}
	segments := make([]hostfs.Segment, 0, count)
	end := int64(0)
	for range count {
		off, err := number()
		if err != nil {
			return nil, 0, err
		}
		length, err := number()
		if err != nil {
			return nil, 0, err
		}
		if off < end || off > size || length > size-off {
			return nil, 0, fmt.Errorf("sparse map: segment %d+%d out of order", off, length)
		}
		end = off + length
		if length > 0 {
			segments = append(segments, hostfs.Segment{Off: off, Len: length})
		}
	}
	padded := int64(at + padding(int64(at)))
	if padded > int64(len(data)) {
		return nil, 0, fmt.Errorf("sparse map: cut short")
	}
	return segments, padded, nil
}
