//go:build !linux

package chunk

import (
	"context"
	"errors"
	"fmt"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/engine/hostfs"
)

// Folders of other systems lack half of what a tree of Linux holds: trees are written, read and compared by an agent, or
// not at all.

// Restore is for Linux.
func Restore(context.Context, Reader, ocispec.Descriptor, *hostfs.Root, RestoreOptions) (*RestoreResult, error) {
	return nil, fmt.Errorf("write the files of a Linux tree: %w", errors.ErrUnsupported)
}

// Compare is for Linux.
func Compare(context.Context, Reader, ocispec.Descriptor, *hostfs.Root, CompareOptions) (*CompareResult, error) {
	return nil, fmt.Errorf("compare the files of a Linux tree: %w", errors.ErrUnsupported)
}

// Local is for Linux: everything that is asked of the tree fails.
func Local(root *hostfs.Root) Tree { return noTree{root.Path()} }

// LocalSnapshot is for Linux, as Local.
func LocalSnapshot(root *hostfs.Root, _ time.Time) Tree { return Local(root) }

type noTree struct{ path string }

func (t noTree) err() error {
	return fmt.Errorf("read the files of %s: %w", t.path, errors.ErrUnsupported)
}

func (t noTree) Path() string                                   { return t.path }
func (t noTree) Settle(func() time.Time) (time.Time, error)     { return time.Time{}, t.err() }
func (t noTree) FSType() (name string, trusted bool, err error) { return "", false, t.err() }
func (t noTree) OpenFolder(string) (Folder, error)              { return nil, t.err() }
func (t noTree) Walk(context.Context, hostfs.WalkOptions, func(*hostfs.Entry) error) error {
	return t.err()
}

// NewClones makes none.
func NewClones(*hostfs.Root, int64) (*Clones, error) { return nil, ErrNoClones }

// Made is none.
func (c *Clones) Made() int { return 0 }

// Clones are never there.
type Clones struct{}

func (c *Clones) giveBack(int64) {}

func (w *worker) clone(*unit, *source) bool { return false }
