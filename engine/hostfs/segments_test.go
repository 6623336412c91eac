//go:build linux

package hostfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"davit/engine/hostfs"
)

// Data is found where it was written, in whole blocks, cut at the size that was asked for.
func TestDataSegments(t *testing.T) {
	const block, MiB = 4096, 1 << 20
	for _, c := range []struct {
		size  int64
		write []int64 // offsets of single bytes
		ask   int64
		want  []hostfs.Segment
	}{
		{size: 0},
		{size: MiB},
		{size: 100, write: []int64{0}, want: []hostfs.Segment{{Off: 0, Len: 100}}},
		{size: MiB, write: []int64{0}, want: []hostfs.Segment{{Off: 0, Len: block}}},
		{size: MiB + 1, write: []int64{MiB}, want: []hostfs.Segment{{Off: MiB, Len: 1}}},
		{size: MiB, write: []int64{5000}, want: []hostfs.Segment{{Off: block, Len: block}}},
		{size: MiB, write: []int64{0, block, 3 * block}, want: []hostfs.Segment{{Off: 0, Len: 2 * block}, {Off: 3 * block, Len: block}}},
		{size: MiB, write: []int64{0, 8 * block}, ask: 8 * block, want: []hostfs.Segment{{Off: 0, Len: block}}},
		{size: MiB, write: []int64{0, 8 * block}, ask: 8*block + 10, want: []hostfs.Segment{{Off: 0, Len: block}, {Off: 8 * block, Len: 10}}},
		{size: MiB, write: []int64{0}, ask: 2 * MiB, want: []hostfs.Segment{{Off: 0, Len: block}}}, // shrunk since its stat
	} {
		t.Run(fmt.Sprintf("%d %v %d", c.size, c.write, c.ask), func(t *testing.T) {
			file, err := os.Create(filepath.Join(t.TempDir(), "file"))
			must(t, err)
			defer file.Close()
			must(t, file.Truncate(c.size))
			for _, off := range c.write {
				_, err := file.WriteAt([]byte{1}, off)
				must(t, err)
			}
			if c.ask == 0 {
				c.ask = c.size
			}
			got, err := hostfs.DataSegments(int(file.Fd()), c.ask)
			must(t, err)
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if at, _ := file.Seek(0, 1); at != 0 {
				t.Errorf("offset is %d", at)
			}
		})
	}
}
