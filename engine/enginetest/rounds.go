package enginetest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Rounds is how often a test does something at random: n times, and DAVIT_SOAK times as often where that is set, as
// by `make soak`.
func Rounds(t testing.TB, n int) int {
	t.Helper()
	text := os.Getenv("DAVIT_SOAK")
	if text == "" {
		return n
	}
	times, err := strconv.Atoi(text)
	if err != nil || times < 1 {
		t.Fatalf("DAVIT_SOAK=%s is no number", text)
	}
	return n * times
}

// Random returns random numbers that are others each time; a test that fails has told their seed.
func Random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}
