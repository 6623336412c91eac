package backup

import (
	"fmt"
	"io"
	"strings"
)

// countingReader tells how much was read through it.
type countingReader struct {
	r   io.Reader
	add func(int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.add(int64(n))
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
