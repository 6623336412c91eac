package chunk

import (
	"bytes"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(data)
	return data
}

// What cannot be compressed is stored as it is, at every level, and zstd's own
// program reads it like the rest.
func TestIncompressible(t *testing.T) {
	text := bytes.Repeat([]byte("what compresses well, "), 60_000)
	for name, c := range map[string]struct {
		plain []byte
		raw   bool
	}{
		"noise":                {noise(3<<20 + 17), true},
		"noise, one block":     {noise(sampleFrom), true},
		"noise, two blocks":    {noise(sampleFrom + 1), true},
		"text":                 {text, false},
		"half noise half text": {append(noise(1<<20), text...), false},
		"short":                {noise(1000), false},
	} {
		for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
			e, err := newEncoder(level)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.incompressible(c.plain); got != c.raw {
				t.Errorf("%s, %v: incompressible is %v", name, level, got)
			}
			frame := e.encode(c.plain, nil)
			d, err := NewDecoder()
			if err != nil {
				t.Fatal(err)
			}
			plain, err := d.Decode(frame, int64(len(c.plain)), nil)
			d.Close()
			if err != nil || !bytes.Equal(plain, c.plain) {
				t.Errorf("%s, %v: %d bytes, %v", name, level, len(plain), err)
			}
			cmd := exec.Command("zstd", "-dc")
			cmd.Stdin = bytes.NewReader(frame)
			if out, err := cmd.Output(); err != nil || !bytes.Equal(out, c.plain) {
				t.Errorf("%s, %v: zstd: %d bytes, %v", name, level, len(out), err)
			}
			if c.raw && len(frame) > len(c.plain)+9+3*(len(c.plain)/rawBlock+1) {
				t.Errorf("%s, %v: a frame of %d bytes for %d", name, level, len(frame), len(c.plain))
			}
		}
	}
}

// The entropy of single bytes, against data where it is known.
func TestBitsPerByte(t *testing.T) {
	for name, c := range map[string]struct {
		data     []byte
		from, to float64
	}{
		"noise":      {noise(16 << 10), 7.98, 8},
		"one letter": {bytes.Repeat([]byte("a"), 400), 0, 0},
		"two":        {bytes.Repeat([]byte("ab"), 8<<10), 1, 1},
		"all":        {allBytes(64), 8, 8},
		"sixteen":    {sixteen(noise(16 << 10)), 3.99, 4},
	} {
		if got := bitsPerByte(c.data); got < c.from || got > c.to {
			t.Errorf("%s: %g bits", name, got)
		}
	}
}

func allBytes(times int) []byte {
	var data []byte
	for i := range 256 * times {
		data = append(data, byte(i))
	}
	return data
}

func sixteen(data []byte) []byte {
	for i := range data {
		data[i] &= 15
	}
	return data
}

// BenchmarkSample is what a look at data that does compress costs.
func BenchmarkSample(b *testing.B) {
	e, err := newEncoder(zstd.SpeedFastest)
	if err != nil {
		b.Fatal(err)
	}
	text := sixteen(noise(256 << 10))
	for b.Loop() {
		if e.incompressible(text) {
			b.Fatal("taken for noise")
		}
	}
}

// BenchmarkNoise is what data that does not compress costs.
func BenchmarkNoise(b *testing.B) {
	data := noise(1 << 20)
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedBestCompression} {
		b.Run(level.String(), func(b *testing.B) {
			e, err := newEncoder(level)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			var frame []byte
			for b.Loop() {
				frame = e.encode(data, frame[:0])
			}
		})
	}
}
