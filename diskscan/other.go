//go:build !linux

package diskscan

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// What only Linux has: engines' stores in use, mounts, /proc, and limits that can be asked for alike.

// FileSystems knows none.
func FileSystems([]string) (all []FileSystem, problems []Problem) { return nil, nil }

func findProjects([]FileSystem, []string) {}

func readBolt(path string, _ func(tx *bbolt.Tx) error) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("read %s: %w", path, errors.ErrUnsupported)
}

func sameMount(a, b string) bool { return isBelow(a, b) || isBelow(b, a) }

func devicesOf([]FileSystem) map[uint64]bool { return nil }

// DeletedOpen finds none.
func DeletedOpen(map[uint64]bool) (files []OpenFile, problems []Problem) { return nil, nil }

func markShared([]File) {}

func hiddenBelowMounts(context.Context, []Target) []Hidden { return nil }

// open is for Linux: who else writes to a log is seen nowhere else.
func (l *LogFile) open() (*os.File, error) {
	return nil, fmt.Errorf("open %s: %w", l.Path, errors.ErrUnsupported)
}

func (l *LogFile) refuses(*os.File) string { return errors.ErrUnsupported.Error() }
