package chunk

import "davit/engine/hostfs"

// pieces is a file's content where it is not a hole. However long the file is, this
// is as long as what was stored of it.
type pieces struct {
	segments []hostfs.Segment // in order, apart from each other
	data     []byte           // of all segments, one behind the other
}

func wholly(size int64) []hostfs.Segment { return []hostfs.Segment{{Len: size}} }

// equal tells whether both read the same: a hole is as good as zeros.
func (p pieces) equal(q pieces) bool {
	for {
		offset, b, more := p.nextByte()
		otherOffset, other, otherMore := q.nextByte()
		if offset != otherOffset || b != other || more != otherMore {
			return false
		}
		if !more {
			return true
		}
	}
}

// nextByte takes the next byte that is not zero, with its offset in the file.
func (p *pieces) nextByte() (offset int64, b byte, more bool) {
	for len(p.segments) > 0 {
		s := &p.segments[0]
		for s.Len > 0 {
			offset, b = s.Off, p.data[0]
			s.Off, s.Len, p.data = s.Off+1, s.Len-1, p.data[1:]
			if b != 0 {
				return offset, b, true
			}
		}
		p.segments = p.segments[1:]
	}
	return 0, 0, false
}
