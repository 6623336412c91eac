package diskscan

import (
	"context"
	"fmt"
	"time"
)

// Survey looks at folders and tells what is in them.
type Survey struct {
	Paths []string // what is asked for
	Host  string
	Now   func() time.Time

	targets  []Target
	problems []Problem
}

// IncompleteError says that a report is not about everything that was asked for.
type IncompleteError struct {
	Problems int
	First    Problem
	Nothing  bool // not one path could be read
}

func (e *IncompleteError) Error() string {
	if e.Problems == 1 {
		return fmt.Sprintf("could not read everything: %s", e.First)
	}
	return fmt.Sprintf("could not read everything: %s, and %d more", e.First, e.Problems-1)
}

// Start finds out what can be known at once, which is what a report begins with.
func (s *Survey) Start() *Report {
	r := &Report{Version: ReportVersion, Time: s.Now().UTC(), Host: s.Host, Stores: []Store{}, Problems: []Problem{}}
	paths := s.locate()
	r.FileSystems, _ = FileSystems(paths) // a path that is not there is a problem of the scan
	return r
}

// locate makes the targets: each path once, without those that another one contains.
func (s *Survey) locate() (paths []string) {
	for i, path := range s.Paths {
		real := resolved(path)
		if !s.covered(i, real) {
			s.targets = append(s.targets, Target{Path: real})
		}
		paths = append(paths, real)
	}
	return paths
}

// covered reports whether path i is scanned with another one on the same mount.
func (s *Survey) covered(i int, real string) bool {
	for j, other := range s.Paths {
		if i == j {
			continue
		}
		above := resolved(other)
		if above == real && j > i || !isBelow(real, above) {
			continue
		}
		if isFolder(real) && sameMount(real, above) {
			return true
		}
	}
	return false
}

// Scan fills in the rest of a report that Start has begun. o.Targets is set by the survey.
func (s *Survey) Scan(ctx context.Context, r *Report, o ScanOptions) error {
	o.Targets = s.targets
	result, err := Scan(ctx, o)
	if err != nil {
		return err
	}
	r.Total, r.Owners, r.Files = result.Total, result.Owners, result.Files
	r.Types, r.Folders = result.Types, result.Folders
	r.Problems = append(append(r.Problems, s.problems...), result.Problems...)
	r.MoreHidden = result.ProblemCount - len(result.Problems)
	r.scanned = result.Scanned
	markShared(r.Files)
	return nil
}

// Incomplete is an *IncompleteError when something could not be read.
func (r *Report) Incomplete() error {
	n := len(r.Problems) + r.MoreHidden
	if n == 0 {
		return nil
	}
	return &IncompleteError{Problems: n, First: r.Problems[0], Nothing: r.scanned == 0}
}
