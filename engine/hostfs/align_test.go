//go:build linux

package hostfs

import (
	"slices"
	"testing"
)

// Borders that a file system reports inside a block are rounded outward, and what touches then is one segment.
func TestSegmentsAreAligned(t *testing.T) {
	for _, c := range []struct {
		ranges [][2]int64
		want   []Segment
	}{
		{[][2]int64{{5000, 6000}}, []Segment{{4096, 4096}}},
		{[][2]int64{{512, 1024}, {4096, 4608}}, []Segment{{0, 8192}}},
		{[][2]int64{{512, 1024}, {3584, 4096}}, []Segment{{0, 4096}}},
		{[][2]int64{{0, 1}, {8191, 8192}, {99_000, 99_999}}, []Segment{{0, 8192}, {98_304, 1_696}}},
	} {
		var got []Segment
		for _, r := range c.ranges {
			got = appendSegment(got, r[0], r[1], 100_000)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v became %v, want %v", c.ranges, got, c.want)
		}
	}
}
