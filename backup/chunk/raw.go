package chunk

import (
	"encoding/binary"
	"math"
)

const (
	// sampleFrom is the length from which a chunk is worth a sample.
	sampleFrom = 128 << 10
	// samplePiece and samplePieces make the sample, evenly spread: half a percent
	// of an average chunk.
	samplePiece, samplePieces = 2 << 10, 8
	// rawBlock is the longest block that the format allows, RFC 8878, 3.1.1.2.4.
	rawBlock = 128 << 10
	// fewBits is below what a byte carries in data that might not be compressible:
	// noise has 7.99, and 7.6 would save a twentieth by Huffman codes alone.
	fewBits = 7.6
)

// incompressible tells by a sample whether trying to compress plain would save
// less than a hundredth: images, archives, what is encrypted. Most samples are not
// tried, since counting their bytes is enough.
func (e *encoder) incompressible(plain []byte) bool {
	if len(plain) < sampleFrom {
		return false
	}
	e.sample = e.sample[:0]
	for i := range samplePieces {
		at := len(plain) / samplePieces * i
		e.sample = append(e.sample, plain[at:at+samplePiece]...)
	}
	if bitsPerByte(e.sample) < fewBits {
		return false
	}
	e.tried = e.taster.EncodeAll(e.sample, e.tried[:0])
	return len(e.tried) >= len(e.sample)*99/100
}

// bitsPerByte is the entropy of single bytes. Four tables, since the same byte twice
// in a row would wait for its first count.
func bitsPerByte(data []byte) float64 {
	var counts [4][256]uint32
	for ; len(data) >= 4; data = data[4:] {
		counts[0][data[0]]++
		counts[1][data[1]]++
		counts[2][data[2]]++
		counts[3][data[3]]++
	}
	total, sum := 0.0, 0.0
	for i := range 256 {
		if n := float64(counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i]); n > 0 {
			total += n
			sum += n * math.Log2(n)
		}
	}
	return math.Log2(total) - sum/total
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
