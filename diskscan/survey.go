package diskscan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Survey looks at folders and tells what is in them.
type Survey struct {
	Paths  []string // what is asked for; none: the stores
	Stores []Store  // of this machine's engine
	Host   string
	Now    func() time.Time
	// Ask asks the engine what it knows; nil: there is none. What it does not say, its files do.
	Ask func(ctx context.Context) (*Facts, error)

	live     *Facts
	targets  []Target
	maps     map[string]*PlaceMap // by store
	facts    *Facts
	problems []Problem
}

// IncompleteError says that a report is not about everything that was asked for.
type IncompleteError struct {
	Problems int
	First    Problem
	Nothing  bool // not one path could be read
	Denied   bool // for want of rights
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
	s.maps, s.facts = map[string]*PlaceMap{}, &Facts{}
	paths := s.locate()
	r.FileSystems, _ = FileSystems(paths) // a path that is not there is a problem of the scan
	findProjects(r.FileSystems, paths)
	return r
}

// locate makes the targets: each path once, without those that another one contains.
func (s *Survey) locate() (paths []string) {
	if len(s.Paths) == 0 {
		for _, store := range s.Stores {
			s.Paths = append(s.Paths, store.Path)
		}
	}
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

// Attribute reads Docker's own files and says who owns what in the targets.
func (s *Survey) Attribute(ctx context.Context, r *Report) {
	if s.Ask != nil {
		var err error
		if s.live, err = s.Ask(ctx); err != nil {
			s.live = nil
			r.Notes = append(r.Notes, Problem{"engine", err.Error()})
		}
	}
	stores := s.involved()
	for _, store := range stores {
		s.mapStore(store)
	}
	for i := range s.targets {
		r.Stores = append(r.Stores, s.place(&s.targets[i], stores)...)
	}
}

// involved lists the stores that the targets are in or contain, and the machine's, which know who uses a folder of the
// host. Data-roots come first: they name the containers of which containerd has only the ids.
func (s *Survey) involved() []Store {
	stores := slices.Clone(s.Stores)
	for _, t := range s.targets {
		if store, ok := storeAbove(t.Path); ok {
			stores = append(stores, store)
		}
	}
	slices.SortFunc(stores, func(a, b Store) int {
		return cmp.Or(strings.Compare(string(b.Kind), string(a.Kind)), strings.Compare(a.Path, b.Path))
	})
	return slices.Compact(stores)
}

func (s *Survey) mapStore(store Store) {
	if s.maps[store.Path] != nil {
		return
	}
	var m *PlaceMap
	var problems []Problem
	if store.Kind == DataRoot {
		var facts *Facts
		m, facts, problems = mapDataRoot(store.Path, s.live)
		s.facts.add(facts)
	} else {
		var images []ImageFacts
		m, images, problems = mapContainerd(store.Path, s.facts, s.live)
		s.facts.Images = append(s.facts.Images, images...)
	}
	s.maps[store.Path] = m
	if s.wanted(store) {
		s.problems = append(s.problems, problems...)
	}
}

// wanted reports whether the report is about something in a store.
func (s *Survey) wanted(store Store) bool {
	return slices.ContainsFunc(s.targets, func(t Target) bool {
		return isBelow(t.Path, store.Path) || isBelow(store.Path, t.Path)
	})
}

// place gives a target its map, and returns the stores it is about.
func (s *Survey) place(t *Target, stores []Store) (about []Store) {
	for _, store := range stores {
		if isBelow(t.Path, store.Path) {
			t.Places = s.maps[store.Path].below(strings.TrimPrefix(t.Path, store.Path))
			return []Store{store}
		}
	}
	t.Places = NewPlaceMap(Owner{Kind: Folder, Name: t.Path, Path: t.Path})
	for _, c := range s.facts.Containers {
		for _, dir := range c.Binds {
			if isBelow(dir, t.Path) && dir != t.Path && isFolder(dir) {
				t.Places.Claim(relative(dir, t.Path), s.bindOwner(dir))
			}
		}
	}
	for _, store := range stores {
		if isBelow(store.Path, t.Path) {
			t.Places.graft(relative(store.Path, t.Path), s.maps[store.Path])
			about = append(about, store)
		}
	}
	return about
}

// relative is path below dir.
func relative(path, dir string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
}

// bindOwner says which containers use a folder of the host.
func (s *Survey) bindOwner(dir string) Owner {
	o := Owner{Kind: BindMount, Name: dir, State: used, Path: dir}
	for _, c := range s.facts.Containers {
		if slices.Contains(c.Binds, dir) {
			o.UsedBy = append(o.UsedBy, c.Name)
		}
	}
	slices.Sort(o.UsedBy)
	return o
}

// Scan fills in the rest of a report that Start and Attribute have begun. o.Targets is set by the survey.
func (s *Survey) Scan(ctx context.Context, r *Report, o ScanOptions) error {
	o.Targets = s.targets
	result, err := Scan(ctx, o)
	if err != nil {
		return err
	}
	r.Total, r.Owners, r.Files = result.Total, result.Owners, result.Files
	r.Types, r.Folders, r.Tree = result.Types, result.Folders, result.Tree
	r.Problems = append(append(r.Problems, s.problems...), result.Problems...)
	r.MoreHidden = result.ProblemCount - len(result.Problems)
	r.scanned = result.Scanned
	markShared(r.Files)
	s.nameProjects(r)
	s.open(r)
	r.Hidden = hiddenBelowMounts(ctx, s.targets)
	r.Free = remedies(r, s.facts)
	return nil
}

// nameProjects says whose folder it is that a quota is for.
func (s *Survey) nameProjects(r *Report) {
	for i := range r.FileSystems {
		for j := range r.FileSystems[i].Quotas {
			q := &r.FileSystems[i].Quotas[j]
			for _, t := range s.targets {
				if q.Path != "" && isBelow(q.Path, t.Path) {
					o := t.Places.below(relative(q.Path, t.Path)).top.owner.owner
					q.Owner = string(o.Kind) + " " + o.Name
				}
			}
		}
	}
}

// open looks for deleted files that are still open, and names their containers.
func (s *Survey) open(r *Report) {
	files, problems := DeletedOpen(devicesOf(r.FileSystems))
	names := map[string]string{}
	for _, c := range s.facts.Containers {
		names[c.ID] = c.Name
	}
	r.DeletedOpen = []OpenFile{}
	for _, f := range files {
		if f.Bytes > 0 {
			f.Container = names[f.ContainerID]
			r.DeletedOpen = append(r.DeletedOpen, f)
		}
	}
	r.Notes = append(r.Notes, problems...)
}

// Incomplete is an *IncompleteError when something could not be read.
func (r *Report) Incomplete() error {
	n := len(r.Problems) + r.MoreHidden
	if n == 0 {
		return nil
	}
	first := r.Problems[0]
	return &IncompleteError{Problems: n, First: first, Nothing: r.scanned == 0, Denied: strings.Contains(first.Reason, "permission denied")}
}
