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
