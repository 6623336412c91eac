package chunk

import (
	"math/rand/v2"
	"testing"
)

// cutPlainly is FastCDC as the package documentation tells it, a byte at a time.
func cutPlainly(c *cutter, data []byte) int {
	var hash uint64
	for i := c.min; i < min(len(data), c.max); i++ {
		hash = hash<<1 + c.gear[data[i]]
		mask := c.strict
		if i >= c.avg {
			mask = c.loose
		}
		if hash&mask == 0 {
			return i + 1
		}
	}
	if len(data) >= c.max {
		return c.max
	}
	return 0
}

// The cuts are part of the format: they are those of the plain algorithm, however
// the content arrives.
func TestCuts(t *testing.T) {
	c := newCutter(Params{MinChunk: 1 << 10, AvgChunk: 4 << 10, MaxChunk: 16 << 10}, newGear(nil))
	rng := rand.New(rand.NewPCG(1, 2))
	cuts := 0
	for range 300 {
		data := make([]byte, rng.IntN(40<<10))
		_, _ = rand.NewChaCha8([32]byte{byte(rng.Uint32()), byte(rng.Uint32())}).Read(data)
		if rng.IntN(4) == 0 {
			clear(data)
		}
		want := cutPlainly(c, data)
		var s scan
		got := 0
		for end := 0; got == 0 && end < len(data); {
			end = min(len(data), end+1+rng.IntN(5000))
			got = c.next(&s, data[:end])
		}
		if got != want {
			t.Fatalf("cut at %d of %d, the plain algorithm cuts at %d", got, len(data), want)
		}
		if got > 0 && got < c.max {
			cuts++
		}
	}
	if cuts < 100 {
		t.Errorf("only %d cuts by content", cuts)
	}
	// The table is derived, and another one would deduplicate nothing.
	if c.gear[0] == c.gear[1] || c.gear[255] == 0 {
		t.Error("the table is degenerate")
	}
}
