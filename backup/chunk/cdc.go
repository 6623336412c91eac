package chunk

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// cutter finds content-defined boundaries in the bytes of one file by FastCDC
// with normalised chunking: a stricter mask before the average size and a
// looser one after it. A page file is cut at even lengths instead. It is not safe
// for concurrent use.
type cutter struct {
	begun         bool
	even          int // 0: by content
	min, avg, max int
	strict, loose uint64
	gear          *[256]uint64
}

// newGear derives the table that FastCDC hashes with. It is part of the format:
// another table cuts elsewhere and deduplicates nothing. In an encrypted repository
// it has a seed, so that lengths of chunks do not tell which known file they are.
func newGear(seed []byte) *[256]uint64 {
	var gear [256]uint64
	for i := range gear {
		sum := sha256.Sum256(append(append([]byte(nil), seed...), 'd', 'a', 'v', 'i', 't', ' ', 'g', 'e', 'a', 'r', ' ', '1', byte(i)))
		gear[i] = binary.BigEndian.Uint64(sum[:])
	}
	return &gear
}

func newCutter(p Params, gear *[256]uint64) *cutter {
	n := bits.Len(uint(p.AvgChunk)) - 1
	return &cutter{
		min: p.MinChunk, avg: p.AvgChunk, max: p.MaxChunk,
		strict: topBits(n + 2), loose: topBits(n - 2),
		gear: gear,
	}
}

// topBits selects the highest bits of the hash: a left-shifting gear hash mixes
// the last 64 bytes into them, and fewer into the low ones.
func topBits(n int) uint64 { return ^uint64(0) << (64 - n) }

// step is how many bytes to read before the next look for a boundary: what is
// read beyond it is copied.
func (c *cutter) step() int {
	if c.even > 0 {
		return c.even
	}
	return readStep
}

// scan is the state of the search for one boundary.
type scan struct {
	pos  int
	hash uint64
}

// next looks for a boundary in buf, which begins at the last boundary; bytes
// before s.pos were seen by an earlier call. The first call that gets bytes gets
// enough of the file to tell what it is. It returns the length of the chunk,
// or 0 when buf has to grow first.
func (c *cutter) next(s *scan, buf []byte) int {
	if !c.begun && len(buf) > 0 {
		c.begun = true
		if isPageFile(buf) {
			c.even = pageSpan
		}
	}
	if c.even > 0 {
		if len(buf) < c.even {
			return 0
		}
		return c.even
	}
	if s.pos < c.min {
		s.pos = min(c.min, len(buf))
	}
	if n := c.find(s, buf[:min(len(buf), c.avg)], c.strict); n > 0 {
		return n
	}
	if n := c.find(s, buf[:min(len(buf), c.max)], c.loose); n > 0 {
		return n
	}
	if len(buf) >= c.max {
		return c.max
	}
	return 0
}

// find moves the hash on two bytes at a time: the sum for the second does not
// wait for the first, which takes a third off the time.
func (c *cutter) find(s *scan, buf []byte, mask uint64) int {
	if s.pos >= len(buf) {
		return 0
	}
	hash, gear := s.hash, c.gear
	rest := buf[s.pos:]
	i := 0
	for ; i+1 < len(rest); i += 2 {
		a, b := gear[rest[i]], gear[rest[i+1]]
		if (hash<<1+a)&mask == 0 {
			return s.pos + i + 1
		}
		hash = hash<<2 + (a<<1 + b)
		if hash&mask == 0 {
			return s.pos + i + 2
		}
	}
	if i < len(rest) {
		hash = hash<<1 + gear[rest[i]]
		if hash&mask == 0 {
			return len(buf)
		}
	}
	s.pos, s.hash = len(buf), hash
	return 0
}
