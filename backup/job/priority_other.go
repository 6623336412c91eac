//go:build !linux

package job

import (
	"errors"
	"fmt"
)

// Yield is for Linux.
func Yield(nice int, io IONice) error {
	if nice == 0 && io.Class == "" {
		return nil
	}
	return fmt.Errorf("set nice and ionice: %w", errors.ErrUnsupported)
}
