package backup

import (
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Compression is how hard to try to store new data small. Repositories may hold data of all levels; what is stored
// already is not compressed again.
type Compression string

// The levels of compression. "" is the fastest for trees and the default for images, which are stored once and rarely change.
const (
	CompressionFastest Compression = "fastest"
	CompressionDefault Compression = "default"
	CompressionBetter  Compression = "better"
	CompressionMax     Compression = "max"
)

// Compressions are all levels, from fast to small.
func Compressions() []Compression {
	return []Compression{CompressionFastest, CompressionDefault, CompressionBetter, CompressionMax}
}

// level is zstd's name of c, or 0 for what suits the kind of data.
func (c Compression) level() zstd.EncoderLevel {
	switch c {
	case CompressionFastest:
		return zstd.SpeedFastest
	case CompressionDefault:
		return zstd.SpeedDefault
	case CompressionBetter:
		return zstd.SpeedBetterCompression
	case CompressionMax:
		return zstd.SpeedBestCompression
	}
	return 0
}

func (c Compression) check() error {
	if c == "" || slices.Contains(Compressions(), c) {
		return nil
	}
	return &UsageError{Reason: fmt.Sprintf("unknown --compression %q", string(c)), Hint: "fastest, default, better or max"}
}
