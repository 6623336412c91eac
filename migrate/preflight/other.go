//go:build !linux

package preflight

import (
	"context"
	"errors"
)

// probe is for Linux, where engines are.
func probe(context.Context, string) probeResult {
	return probeResult{unsure: errors.ErrUnsupported.Error()}
}
