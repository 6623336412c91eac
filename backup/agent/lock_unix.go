//go:build unix

package agent

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock takes the exclusive lock on f if nobody holds it. It ends with the open file.
func tryLock(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
