package storage

import (
	"errors"
	"fmt"
)

// ErrNotEmpty is returned by Prepare when the place holds something.
var ErrNotEmpty = errors.New("folder is not empty")

// LockedError tells who holds a lock.
type LockedError struct{ Ticket Ticket }

func (e *LockedError) Error() string { return "locked" }

// UnfitError tells that a server does not keep what a repository needs.
type UnfitError struct{ Reason string }

func (e *UnfitError) Error() string {
	return fmt.Sprintf("server is not fit for a repository: %s", e.Reason)
}
