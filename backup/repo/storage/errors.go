package storage

import (
	"errors"
	"fmt"
)

// ErrNotEmpty is returned by Prepare when the place holds something.
var ErrNotEmpty = errors.New("folder is not empty")

// ErrBusy is returned by Prepare when somebody else makes a repository at the same place, or was
// stopped while he did.
var ErrBusy = errors.New("somebody else makes a repository here at this moment, or was stopped while he did: try again, or remove davit/init")

// LockedError tells who holds a lock.
type LockedError struct{ Ticket Ticket }

func (e *LockedError) Error() string { return "locked" }

// KeptError tells that the server does not let this credential or account remove a file.
type KeptError struct {
	Name string
	err  error
}

func (e *KeptError) Error() string {
	return fmt.Sprintf("remove %s: the server does not allow it", e.Name)
}
func (e *KeptError) Unwrap() error { return e.err }

// UnfitError tells that a server does not keep what a repository needs.
type UnfitError struct{ Reason string }

func (e *UnfitError) Error() string {
	return fmt.Sprintf("server is not fit for a repository: %s", e.Reason)
}
