package chunk

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// encoder makes independent zstd frames. One encoder serves one goroutine.
type encoder struct {
	zstd          *zstd.Encoder
	taster        *zstd.Encoder // the fastest, for samples
	sample, tried []byte
}

// smallWindow stays in the processor's cache: on database files that takes a
// quarter off the time and a tenth of a percent off the ratio. The slow levels
// are asked for the ratio.
const smallWindow, largeWindow = 1 << 20, 8 << 20

// newEncoder returns an encoder. Frames have no checksum of their own, since blobs
// are named by their digest and chunks by their id.
func newEncoder(level zstd.EncoderLevel) (*encoder, error) {
	window := smallWindow
	if level >= zstd.SpeedBetterCompression {
		window = largeWindow
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level),
		zstd.WithWindowSize(window), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("make encoder: %w", err)
	}
	e := &encoder{zstd: enc, taster: enc}
	if level > zstd.SpeedFastest {
		if e.taster, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(smallWindow), zstd.WithEncoderCRC(false)); err != nil {
			return nil, fmt.Errorf("make encoder: %w", err)
		}
	}
	return e, nil
}

// encode appends the frame of plain to dst.
func (e *encoder) encode(plain, dst []byte) []byte {
	if e.incompressible(plain) {
		return appendRaw(dst, plain)
	}
	return e.zstd.EncodeAll(plain, dst)
}

// A Decoder reads frames that claim a plain length, and stops when one holds
// more. It is safe for concurrent use.
type Decoder struct {
	zstd *zstd.Decoder
}

// maxWindow is the largest window a frame may ask for: nothing davit writes
// needs more than its own length, and a hostile frame could ask for gigabytes.
const maxWindow = 32 << 20

// NewDecoder returns a decoder; Close ends it.
func NewDecoder() (*Decoder, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxSegment))
	if err != nil {
		return nil, fmt.Errorf("make decoder: %w", err)
	}
	return &Decoder{dec}, nil
}

// Close frees the decoder.
func (d *Decoder) Close() { d.zstd.Close() }

// Decode returns the plain bytes of stored, appended to dst[:0]. A frame that
// holds another number of bytes than want is an error, and costs no more memory
// than want and a little.
func (d *Decoder) Decode(stored []byte, want int64, dst []byte) ([]byte, error) {
	if want < 0 || want > maxSegment {
		return nil, fmt.Errorf("decode chunk: length %d out of range", want)
	}
	var head zstd.Header
	if err := head.Decode(stored); err != nil {
		return nil, fmt.Errorf("decode chunk: %w", err)
	}
	if head.HasFCS && head.FrameContentSize != uint64(want) && !head.Skippable {
		return nil, fmt.Errorf("decode chunk: frame of %d bytes, %d expected", head.FrameContentSize, want)
	}
	if int64(cap(dst)) < want {
		dst = make([]byte, 0, want)
	}
	if !head.HasFCS || head.Skippable {
		return d.decodeSlowly(stored, want, dst)
	}
	plain, err := d.zstd.DecodeAll(stored, dst[:0])
	if err != nil {
		return nil, fmt.Errorf("decode chunk: %w", err)
	}
	if int64(len(plain)) != want {
		return nil, fmt.Errorf("decode chunk: %d bytes, %d expected", len(plain), want)
	}
	return plain, nil
}

// decodeSlowly is for frames that do not tell their length: it reads no more
// than one byte beyond want.
func (d *Decoder) decodeSlowly(stored []byte, want int64, dst []byte) ([]byte, error) {
	dec, err := zstd.NewReader(bytes.NewReader(stored), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxSegment))
	if err != nil {
		return nil, fmt.Errorf("decode chunk: %w", err)
	}
	defer dec.Close()
	dst = dst[:want]
	n := 0
	for n < len(dst) {
		m, err := dec.Read(dst[n:])
		n += m
		if err != nil {
			return nil, fmt.Errorf("decode chunk: %w", err)
		}
	}
	var extra [1]byte
	if m, _ := dec.Read(extra[:]); m > 0 {
		return nil, fmt.Errorf("decode chunk: more than %d bytes", want)
	}
	return dst, nil
}
