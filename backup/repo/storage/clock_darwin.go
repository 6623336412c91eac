package storage

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// bootTime is a clock that goes on while the machine sleeps, and that nobody sets: the kernel moves the time of its
// boot when somebody sets the other one.
func bootTime() (time.Duration, error) {
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return 0, fmt.Errorf("read clock: %w", err)
	}
	return time.Since(time.Unix(boot.Unix())), nil
}
