package hostfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Nameless makes a file for reading and writing on the file system of dir that has no name, so that nothing of it outlives
// the process. The caller closes it.
func Nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a nameless file in %s: %w", dir, err)
	}
	return os.NewFile(uintptr(fd), "nameless file in "+dir), nil
}
