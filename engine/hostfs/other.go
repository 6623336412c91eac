//go:build !linux

package hostfs

import (
	"context"
	"errors"
	"fmt"
)

// Root is a folder, by its path.
type Root struct{ portable }

// OpenRoot looks whether path is a folder.
func OpenRoot(path string) (*Root, error) {
	p, err := openPortable(path)
	if err != nil {
		return nil, err
	}
	return &Root{*p}, nil
}

// Path is the path that was given to OpenRoot.
func (r *Root) Path() string { return r.path }

// Close does nothing.
func (r *Root) Close() error { return nil }

// Sweep visits the root and everything below it, one after the other.
func Sweep[T any](ctx context.Context, r *Root, o SweepOptions, top T, visit SweepVisit[T]) error {
	return sweepPortable(ctx, &r.portable, o, top, visit)
}

// Space is not known.
func Space(string) (free, inodes uint64, err error) {
	return 0, 0, fmt.Errorf("ask for the free space: %w", errors.ErrUnsupported)
}
