//go:build !linux

package agent

import (
	"errors"
	"io"
)

// Serve needs Linux: an agent runs in a container.
func Serve(io.Reader, io.Writer, string, Rules) error {
	return errors.New("the helper's side needs Linux")
}
