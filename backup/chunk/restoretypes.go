package chunk

import "fmt"

// RestoreOptions say what is restored of a tree.
type RestoreOptions struct {
	// Path restores this entry and what is below it, under its own name; ""
	// restores the whole tree, the root's owner, mode and times included.
	Path string
	// Workers decode and write; 0 means twice the processors.
	Workers int
	// Progress may be nil.
	Progress Progress
}

// RestoreResult counts what was written. Problems are entries that could not
// be made as they were; the rest of the tree is there.
type RestoreResult struct {
	Entries, Files, Bytes int64
	Problems              []Problem
}

// Metadata marks an entry that is there without some of its owner, mode, times
// or attributes.
const Metadata ProblemKind = "metadata"

// NotFoundError says that a tree holds no such path.
type NotFoundError struct{ Path string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("no entry %q in the snapshot", e.Path) }
