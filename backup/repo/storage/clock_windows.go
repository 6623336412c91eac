package storage

import (
	"time"

	"golang.org/x/sys/windows"
)

// bootTime is a clock that goes on while the machine sleeps, and that nobody sets.
func bootTime() (time.Duration, error) { return windows.DurationSinceBoot(), nil }
