package hostfs

import (
	"context"
	"sync/atomic"
	"time"
)

// CopyOptions steers a copy. Its functions are called by several goroutines at once.
type CopyOptions struct {
	// Workers is how many goroutines copy; 0 means twice GOMAXPROCS.
	Workers int
	// Skip leaves an entry, and everything below it, as it is on both sides: not copied and not deleted. It is not
	// asked for the root; st is of whichever side the entry was found on.
	Skip func(dir, name string, st *Stat) bool
	// Before is the pass before this one over the same two trees; only what has changed since is copied. Nil copies all.
	Before *CopyPass
	// Delete removes from the target what the source does not have.
	Delete bool
	// NoReflink has data copied even where both sides could share it.
	NoReflink bool
	// Limit is asked before n bytes of data are read and written, and may wait; its error ends the copy. Nil: no limit.
	Limit func(ctx context.Context, n int) error
	// Problem is told what could not be read, and which metadata could not be written. What vanished is no problem.
	Problem func(path string, err error)
	// Counts, if not nil, can be looked at while the copy runs.
	Counts *CopyCounts
}

// CopyCounts is what a copy has done so far.
type CopyCounts struct {
	Entries atomic.Int64 // looked at, the root and folders among them
	Copied  atomic.Int64 // made or made anew, folders not among them
	Linked  atomic.Int64 // further names of copied files that were made
	Deleted atomic.Int64 // removed from the target, with what was below
	Bytes   atomic.Int64 // of data written
	Shared  atomic.Int64 // bytes that source and target share on disk (reflinks)
}

// CopyPass is what one pass leaves for the next.
type CopyPass struct {
	Began  Timespec // what changed at this time or later is copied again
	Mounts []string // folders on which something is mounted; what is in them was not copied
	clock  clockMark
	// folders tells by path which folder the target's is a copy of. A folder that was renamed brings along files that
	// are older than the pass, in the place of others.
	folders map[string]uint64
}

// clockMark is how far the clock that dates inodes is ahead of one that nobody can set.
type clockMark struct {
	Boot  string // which boot the second clock counts from
	Ahead time.Duration
}

// CompareOptions steers a comparison. Its functions are called by several goroutines at once.
type CompareOptions struct {
	Workers int                                    // 0: twice GOMAXPROCS
	Skip    func(dir, name string, st *Stat) bool  // leaves an entry and everything below it out, on both sides
	Content func(e *Entry) bool                    // which regular files are read on both sides; nil: none
	Limit   func(ctx context.Context, n int) error // asked before n bytes are read of both sides; nil: no limit
	Differ  func(path, what string)                // told each difference
	Problem func(path string, err error)           // told what could not be read; it counts as no difference
}

// Comparison is what a comparison went over.
type Comparison struct {
	Entries     int64 // of the first tree, the root and folders among them
	Bytes       int64 // of content that was compared
	Differences int64
}
