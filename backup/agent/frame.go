package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxFrame bounds a body, packed or not: a blob of a repository is never longer than 64 MiB.
	maxFrame = 72 << 20
	// packFrom is the length from which a body is compressed.
	packFrom   = 512
	headerSize = 4 + 1 + 1 + 4
)

// kind says what a frame is.
type kind byte

const (
	question kind = iota + 1
	answer
	failure // an answer that is an error
)

// packed is set in the kind of a frame whose body is compressed.
const packed kind = 0x80

// frame is one message; op only counts for questions.
type frame struct {
	kind kind
	op   op
	id   uint32
	body []byte
}

var errFrame = errors.New("what comes from the other side is no frame")

// framer writes and reads frames; writing is safe for concurrent use, reading is not.
type framer struct {
	r   io.Reader
	enc *zstd.Encoder
	dec *zstd.Decoder

	mu sync.Mutex
	w  io.Writer
}

func newFramer(r io.Reader, w io.Writer) (*framer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("make compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxFrame), zstd.WithDecoderMaxWindow(maxFrame))
	if err != nil {
		return nil, fmt.Errorf("make decompressor: %w", err)
	}
	return &framer{r: r, w: w, enc: enc, dec: dec}, nil
}

func (f *framer) close() {
	f.dec.Close()
	_ = f.enc.Close() // nothing was begun
}

func (f *framer) write(m frame) error {
	if len(m.body) > maxFrame {
		return fmt.Errorf("send %d bytes: more than a frame holds", len(m.body))
	}
	buf := make([]byte, headerSize, headerSize+len(m.body))
	if len(m.body) >= packFrom {
		if short := f.enc.EncodeAll(m.body, buf); len(short) < headerSize+len(m.body) {
			buf, m.kind = short, m.kind|packed
		}
	}
	if m.kind&packed == 0 {
		buf = append(buf[:headerSize], m.body...)
	}
	binary.LittleEndian.PutUint32(buf, uint32(len(buf)-headerSize))
	buf[4], buf[5] = byte(m.kind), byte(m.op)
	binary.LittleEndian.PutUint32(buf[6:], m.id)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.w.Write(buf)
	return err
}

func (f *framer) read() (frame, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return frame{}, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	m := frame{kind: kind(head[4]), op: op(head[5]), id: binary.LittleEndian.Uint32(head[6:])}
	if size > maxFrame {
		return m, fmt.Errorf("%w: it would be %d bytes long", errFrame, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(f.r, body); err != nil {
		return m, err
	}
	if m.kind&packed != 0 {
		m.kind &^= packed
		var err error
		if body, err = f.dec.DecodeAll(body, nil); err != nil {
			return m, fmt.Errorf("%w: %v", errFrame, err)
		}
	}
	if m.kind < question || m.kind > failure {
		return m, fmt.Errorf("%w: its kind is %d", errFrame, m.kind)
	}
	m.body = body
	return m, nil
}
