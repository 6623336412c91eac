package chunk

import "encoding/binary"

const (
	// sampleFrom is the length from which a chunk is worth a sample.
	sampleFrom = 128 << 10
	// samplePiece and samplePieces make the sample, evenly spread: half a percent
	// of an average chunk.
	samplePiece, samplePieces = 2 << 10, 8
	// rawBlock is the longest block that the format allows, RFC 8878, 3.1.1.2.4.
	rawBlock = 128 << 10
)

// incompressible tells by a sample whether trying to compress plain would save
// less than a hundredth: images, archives, what is encrypted.
func (e *encoder) incompressible(plain []byte) bool {
	if len(plain) < sampleFrom {
		return false
	}
	e.sample = e.sample[:0]
	for i := range samplePieces {
		at := len(plain) / samplePieces * i
		e.sample = append(e.sample, plain[at:at+samplePiece]...)
	}
	e.tried = e.taster.EncodeAll(e.sample, e.tried[:0])
	return len(e.tried) >= len(e.sample)*99/100
}

// appendRaw appends a zstd frame that holds plain as it is: one segment, blocks
// of type raw (RFC 8878, 3.1.1). Plain is not empty and shorter than 4 GiB.
func appendRaw(dst, plain []byte) []byte {
	const magic, singleSegmentWithSize32 = 0xfd2fb528, 0xa0
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = append(dst, singleSegmentWithSize32)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(plain)))
	for len(plain) > 0 {
		n := min(len(plain), rawBlock)
		header := uint32(n) << 3
		if n == len(plain) {
			header |= 1 // the last block
		}
		dst = append(dst, byte(header), byte(header>>8), byte(header>>16))
		dst, plain = append(dst, plain[:n]...), plain[n:]
	}
	return dst
}
