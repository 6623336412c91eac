//go:build linux

package hostfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// segmentAlign is what segment borders are rounded to: some file systems report holes of single sectors, and tar
// readers take sparse maps only at block borders.
const segmentAlign = 4096

// DataSegments lists where the first size bytes of a file hold data, sorted, merged, borders rounded outward to 4096
// (the last end to size). A file without any data has none; a file system that does not know holes gives one segment.
// It moves the file offset and leaves it at 0.
func DataSegments(fd int, size int64) ([]Segment, error) {
	segs, err := seekSegments(fd, size)
	if _, e := unix.Seek(fd, 0, unix.SEEK_SET); err == nil && e != nil {
		err = fmt.Errorf("seek to start: %w", e)
	}
	return segs, err
}

func seekSegments(fd int, size int64) ([]Segment, error) {
	var segs []Segment
	for at := int64(0); at < size; {
		data, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if err == unix.ENXIO || err == nil && data >= size {
			break
		}
		if err == unix.EINVAL && at == 0 {
			return []Segment{{0, size}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("seek to data at %d: %w", at, err)
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err == unix.ENXIO { // shrunk meanwhile
			break
		}
		if err != nil {
			return nil, fmt.Errorf("seek to hole at %d: %w", data, err)
		}
		segs = appendSegment(segs, data, hole, size)
		at = max(hole, segs[len(segs)-1].Off+segs[len(segs)-1].Len)
	}
	return segs, nil
}

// appendSegment adds the range from start to end, rounded outward, to the last segment where they touch.
func appendSegment(segs []Segment, start, end, size int64) []Segment {
	start -= start % segmentAlign
	end = min((end+segmentAlign-1)/segmentAlign*segmentAlign, size)
	if n := len(segs); n > 0 && start <= segs[n-1].Off+segs[n-1].Len {
		segs[n-1].Len = end - segs[n-1].Off
		return segs
	}
	return append(segs, Segment{start, end - start})
}
