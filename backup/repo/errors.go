package repo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"davit/backup/repo/storage"
)

var (
	// ErrNoRepository is returned by Open when the folder is absent or empty.
	ErrNoRepository = errors.New("no repository here")
	// ErrNotRepository is returned by Open when something else is there.
	ErrNotRepository = errors.New("not a davit repository")
	// ErrNotEmpty is returned by Init when the folder already holds something.
	ErrNotEmpty = storage.ErrNotEmpty
	// ErrReadOnly is returned by what writes in a repository opened read-only.
	ErrReadOnly = errors.New("repository is open read-only")
	// ErrAppendOnly is returned by what removes or replaces files in a repository opened to be added to only.
	ErrAppendOnly = errors.New("repository is open for adding only")
	// ErrNoSnapshot is returned by Find when nothing matches.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrNotForgotten is returned by Undelete when nothing matches.
	ErrNotForgotten = errors.New("no such snapshot among the forgotten")
	// ErrClosed is returned by a session that was closed.
	ErrClosed = errors.New("session is closed")
)

// NewerFormatError tells that a later davit wrote this repository. Nothing was
// changed.
type NewerFormatError struct{ Version int }

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("repository format %d is newer than this davit knows (%d)", e.Version, FormatVersion)
}

// LockedError tells who holds the write lock. The fields are empty when the
// owner did not write them.
type LockedError struct {
	Path  string
	Host  string
	PID   int
	Since time.Time
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return "locked"
	}
	return fmt.Sprintf("locked by pid %d on %s since %s", e.PID, e.Host, e.Since.Local().Format("15:04"))
}

// ExistsError is returned by Commit when there is a snapshot of that id, or was one.
type ExistsError struct {
	ID        string
	Forgotten bool
}

func (e *ExistsError) Error() string {
	if e.Forgotten {
		return fmt.Sprintf("snapshot %s was there and is forgotten", e.ID)
	}
	return fmt.Sprintf("snapshot %s exists", e.ID)
}

// DamagedError tells that a blob is missing, or is not what its name or its
// manifest says.
type DamagedError struct {
	Digest Digest
	Reason string
}

func (e *DamagedError) Error() string { return fmt.Sprintf("blob %s: %s", e.Digest, e.Reason) }

// IndexDamageError tells that index files are damaged and what was asked for
// needs all of them. RebuildIndex does away with them.
type IndexDamageError struct{ Problems []IndexProblem }

func (e *IndexDamageError) Error() string {
	return fmt.Sprintf("index file %s is damaged: %v", e.Problems[0].File, e.Problems[0].Err)
}

// GCDamageError tells that the list of what a removal condemns cannot be read.
// MendGC ends such a removal.
type GCDamageError struct {
	Number int64
	Err    error
}

// Unwrap gives the reason.
func (e *GCDamageError) Unwrap() error { return e.Err }

func (e *GCDamageError) Error() string {
	return fmt.Sprintf("read what removal %d condemns: %v", e.Number, e.Err)
}

// RemovedError tells that a removal of blobs took what a snapshot needs.
type RemovedError struct {
	Snapshot string
	Blobs    int    // that are gone
	First    Digest // one of them
}

func (e *RemovedError) Error() string {
	return fmt.Sprintf("snapshot %s is not whole any more: gc removed %s", e.Snapshot, e.First)
}

// AmbiguousError tells that several snapshots match a prefix.
type AmbiguousError struct {
	Spec    string
	Matches []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("snapshot %s is ambiguous: %s", e.Spec, strings.Join(e.Matches, ", "))
}

// SnapshotProblem is a snapshot that cannot be read.
type SnapshotProblem struct {
	ID  string
	Err error
	ref *ref // nil when the ref itself does not decode
}

// UnreadableError lists the snapshots that Snapshots had to leave out.
type UnreadableError struct{ Problems []SnapshotProblem }

func (e *UnreadableError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = fmt.Sprintf("snapshot %s: %v", p.ID, p.Err)
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the problems' own errors.
func (e *UnreadableError) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p.Err
	}
	return errs
}
