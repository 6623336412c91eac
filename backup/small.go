package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// countingReader tells how much was read through it. It gives the end of the stream by itself, never with the
// last bytes: who looks whether an archive is whole can then tell an end before its trailer from one behind it.
type countingReader struct {
	r   io.Reader
	add func(int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.add(int64(n))
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func joinTags(tags []string) string { return strings.Join(tags, " ") }

// sizeText is a number of bytes for a message.
func sizeText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n), 0
	for value >= unit && prefix < 5 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, " KMGTP"[prefix])
}

// shortSum tells apart names that had to be cut.
func shortSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
