package diskscan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"davit/engine/hostfs"
)

// Target is one folder to scan.
type Target struct {
	Path   string
	Places *PlaceMap // nil: all of it belongs to the folder itself
}

// ScanOptions say what is added up.
type ScanOptions struct {
	Targets []Target
	Top     int       // so many files are named
	MinSize int64     // smaller ones are not
	Before  time.Time // nor those modified after it; zero: all are
	Folders bool      // also add up by folder
	Types   bool      // also add up by type
	Tree    bool      // keep every file and folder
	Workers int       // 0: as many as are good
	// Progress is told of bytes that were counted, by several goroutines at once; nil: nobody is.
	Progress func(bytes int64)
}

// Problem is something that could not be read.
type Problem struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// maxProblems bounds the list; the rest is counted.
const maxProblems = 100

// Result is what a scan found.
type Result struct {
	Total        Usage
	Owners       []Owner // with bytes or inodes; the largest first
	Files        []File  // the largest first
	Types        []TypeUsage
	Folders      []*FolderUsage // one for each target
	Tree         *Tree          // nil: was not asked for
	Problems     []Problem
	ProblemCount int // of which Problems are the first
	Scanned      int // targets that could be opened
}

// Scan adds up what is below the targets. A target that cannot be read is a problem of the result; only a cancelled
// ctx is an error.
func Scan(ctx context.Context, o ScanOptions) (*Result, error) {
	s := &scan{options: o}
	s.folders.left.Store(maxFolders)
	result := &Result{}
	if o.Tree {
		s.tree = &Tree{}
	}
	tallies := map[string]*tally{}
	for _, t := range o.Targets {
		if t.Places == nil {
			t.Places = NewPlaceMap(Owner{Kind: Folder, Name: t.Path, Path: t.Path})
		}
		tallies = t.Places.share(tallies)
		if s.tree != nil {
			s.tree.number(tallies)
		}
		top, err := s.target(ctx, t)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			s.problem(t.Path, err)
			continue
		}
		result.Scanned++
		if top != nil {
			result.Folders = append(result.Folders, top.total())
		}
	}
	result.Files, result.Problems, result.ProblemCount = merge(s.workers[:], o.Top), s.problems, s.problemCount
	if o.Types {
		result.Types = mergeTypes(s.workers[:])
	}
	result.own(tallies)
	if result.Tree = s.tree; s.tree != nil {
		s.tree.finish()
	}
	return result, nil
}

// own lists the owners that have something.
func (r *Result) own(tallies map[string]*tally) {
	place := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(tallies)) {
		owner, usage := tallies[key].result()
		if usage == (Usage{}) {
			continue
		}
		r.Total.add(usage)
		i, listed := place[owner.key()]
		if !listed {
			i = len(r.Owners)
			place[owner.key()] = i
			r.Owners = append(r.Owners, owner)
			r.Owners[i].Held = 0
		}
		r.Owners[i].Usage.add(usage)
		if owner.Held != 0 {
			r.Owners[i].Held += usage.Bytes
		}
	}
	bySize(r.Owners)
}

// scan is one scan under way.
type scan struct {
	options ScanOptions
	links   links
	folders folderCount
	tree    *Tree // nil: none is kept
	workers [64]worker

	mu           sync.Mutex
	problems     []Problem
	problemCount int
}

// worker is what one goroutine adds up by itself.
type worker struct {
	number  int
	root    string // the folder that is scanned
	mount   mountOf
	at      *spot // whom run belongs to
	run     Usage
	largest largest
	types   typeSums
	_       [64]byte // keeps it off its neighbour's cache line
}

// spot is a folder as far as it matters whom its entries belong to.
type spot struct {
	owner  *tally
	place  *place // nil: nothing below is claimed
	folder *folderSum
	node   nodeID
}

// target scans one folder; top is nil when folders are not told apart.
func (s *scan) target(ctx context.Context, t Target) (top *folderSum, err error) {
	root, err := hostfs.OpenRoot(t.Path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if s.options.Folders {
		top = &folderSum{path: t.Path}
	}
	st, err := root.Stat()
	if err != nil {
		return nil, err
	}
	for i := range s.workers {
		s.workers[i].number = i
		s.workers[i].begin(t.Path, mountOf{st.MountID, st.Dev}, &s.options)
	}
	start := &spot{owner: t.Places.top.owner, place: t.Places.top, folder: top}
	options := hostfs.SweepOptions{
		Workers: s.options.Workers,
		Problem: func(path string, err error) { s.problem(joinPath(t.Path, path), err) },
	}
	err = hostfs.Sweep(ctx, root, options, start, func(n int, in *spot, e *hostfs.Entry) (*spot, bool) {
		return s.visit(&s.workers[n], in, e)
	})
	for i := range s.workers {
		s.flush(&s.workers[i])
	}
	return top, err
}

// mountOf tells a mount; kernels before 5.8 only tell the device.
type mountOf struct{ id, dev uint64 }

// holds reports whether an entry is on the mount, and not the root of something mounted there: that is elsewhere.
func (m mountOf) holds(st *hostfs.Stat) bool {
	if m.id == 0 {
		return st.Dev == m.dev
	}
	return st.MountID == m.id
}

// begin makes a worker ready, and keeps what it has from earlier targets.
func (w *worker) begin(root string, m mountOf, o *ScanOptions) {
	w.root, w.mount = root, m
	w.largest.n, w.largest.least = o.Top, o.MinSize
	w.largest.old, w.largest.until = !o.Before.IsZero(), hostfs.TimespecOf(o.Before)
	if o.Types && w.types == nil {
		w.types = typeSums{}
	}
}

// path is an entry's whole path.
func (w *worker) path(e *hostfs.Entry) string {
	if e.Name == "" {
		return w.root
	}
	return joinPath(w.root, e.Path())
}

func (s *scan) visit(w *worker, in *spot, e *hostfs.Entry) (*spot, bool) {
	if e.Name == "" { // the root itself
		in.owner.seenAt(w.root)
		in.node = s.keep(w, in, e, in.owner)
		s.count(w, in, e)
		return in, true
	}
	if !w.mount.holds(&e.Stat) {
		return nil, false
	}
	owner, below := in.owner, (*place)(nil)
	if in.place != nil {
		if owner, below = in.place.find(e.Name, in.owner); owner != in.owner {
			owner.seenAt(w.path(e))
		}
	}
	if !e.IsDir() {
		s.visitFile(w, in, e, owner)
		return nil, false
	}
	sub := in
	folder := s.folders.child(in.folder, e.Name)
	if owner != in.owner || below != nil || in.place != nil || folder != in.folder || s.tree != nil {
		sub = &spot{owner: owner, place: below, folder: folder, node: s.keep(w, in, e, owner)}
	}
	s.count(w, sub, e)
	return sub, true
}

func (s *scan) visitFile(w *worker, in *spot, e *hostfs.Entry, owner *tally) {
	at := in
	if owner != in.owner {
		at = &spot{owner: owner, folder: in.folder}
	}
	if e.Nlink > 1 && !s.links.first(&e.Stat, at) {
		e.Blocks = 0
		s.keep(w, in, e, owner)
		return
	}
	s.keep(w, in, e, owner)
	s.count(w, at, e)
	if w.types != nil {
		w.types.add(e.Name, usageOf(&e.Stat))
	}
	if w.wants(e) {
		w.largest.add(w.file(owner, e))
	}
}

// keep puts an entry into the tree, if there is one.
func (s *scan) keep(w *worker, in *spot, e *hostfs.Entry, owner *tally) nodeID {
	if s.tree == nil || in.node == 0 && e.Name != "" {
		return 0
	}
	name := e.Name
	if name == "" {
		name = w.root
	}
	return s.tree.add(w.number, in.node, e, name, owner, usageOf(&e.Stat))
}

// count adds an entry to the run of those that belong to the same owner and folder.
func (s *scan) count(w *worker, at *spot, e *hostfs.Entry) {
	if w.at != at {
		s.flush(w)
		w.at = at
	}
	w.run.add(usageOf(&e.Stat))
}

// flush gives the run of a worker to whom it belongs.
func (s *scan) flush(w *worker) {
	if w.at == nil {
		return
	}
	w.at.owner.add(w.run)
	w.at.folder.sum().add(w.run)
	if s.options.Progress != nil {
		s.options.Progress(w.run.Bytes)
	}
	w.at, w.run = nil, Usage{}
}

func (s *scan) problem(path string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problemCount++; len(s.problems) < maxProblems {
		s.problems = append(s.problems, Problem{Path: path, Reason: reason(err)})
	}
}

// reason is the bare cause where the path is told beside it.
func reason(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// String tells a problem in one line.
func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Path, p.Reason) }
