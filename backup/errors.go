package backup

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNothingSelected says that a selection names nothing that exists on this host.
var ErrNothingSelected = errors.New("nothing to back up")

// nothingSelected is ErrNothingSelected, with some of what was left out and why.
func nothingSelected(skipped []Skipped) error {
	const named = 3
	if len(skipped) == 0 {
		return ErrNothingSelected
	}
	var why []string
	for _, s := range skipped[:min(len(skipped), named)] {
		why = append(why, fmt.Sprintf("%s %s is left out: %s", s.Kind, s.Name, s.Reason))
	}
	if more := len(skipped) - named; more > 0 {
		why = append(why, fmt.Sprintf("%d more", more))
	}
	return fmt.Errorf("%w: %s", ErrNothingSelected, strings.Join(why, "; "))
}

// UsageError says that what was asked for cannot be: nothing was done (exit code 2).
type UsageError struct {
	Reason string
	Hint   string // the way out, or empty
}

func (e *UsageError) Error() string { return e.Reason }

// NotFoundError says that something named by the caller does not exist.
type NotFoundError struct {
	What  string // "volume", "image", "container", "project", "network", "item", "path"
	Name  string
	Where string // "this host" or "snapshot 3f2a…"
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no such %s on %s: %s", e.What, e.Where, e.Name)
}

// RefusedError says that a plan was not carried out because it would destroy something or could
// not succeed. Nothing was changed.
type RefusedError struct {
	Action  string // "restore", "create"
	Reasons []Refusal
}

// Refusal is one reason not to carry a plan out.
type Refusal struct {
	Item   string `json:"item,omitempty"` // KIND/NAME, or empty when it is about the whole plan
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

func (e *RefusedError) Error() string {
	lines := make([]string, 0, len(e.Reasons))
	for _, r := range e.Reasons {
		if r.Item == "" {
			lines = append(lines, r.Reason)
			continue
		}
		lines = append(lines, r.Item+": "+r.Reason)
	}
	return "refuse to " + e.Action + ": " + strings.Join(lines, "; ")
}

// Hint returns the first way out that a refusal names.
func (e *RefusedError) Hint() string {
	for _, r := range e.Reasons {
		if r.Hint != "" {
			return r.Hint
		}
	}
	return ""
}

// PartialError says that the run is done but not all of it: the report names what is missing
// (exit code 3).
type PartialError struct {
	Action   string // "backup", "restore"
	Problems int
	Err      error // the first one, or nil
}

// Unwrap gives the first error.
func (e *PartialError) Unwrap() error { return e.Err }

func (e *PartialError) Error() string {
	return fmt.Sprintf("%s is done in part: %d %s", e.Action, e.Problems, plural(e.Problems, "problem", "problems"))
}

// DamageError says that verification found damage (exit code 14).
type DamageError struct {
	Blobs     int // damaged or missing
	Snapshots int // that they hit
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("verify: %d damaged %s in %d %s", e.Blobs, plural(e.Blobs, "blob", "blobs"),
		e.Snapshots, plural(e.Snapshots, "snapshot", "snapshots"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
