package repo

import "slices"

// indexState is what a Refresh builds before it becomes the live one.
type indexState struct {
	files    []*indexFile
	opened   []*indexFile // by this Refresh
	tables   []postings
	problems map[string]error
}

// reusable keeps what is known of the files that are still there. When one is
// gone the numbers in the table no longer fit, and all are read again.
func (x *liveIndex) reusable(names []string) *indexState {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := &indexState{problems: make(map[string]error)}
	for name, err := range x.problems {
		if slices.Contains(names, name) {
			s.problems[name] = err
		}
	}
	for _, f := range x.files {
		if !slices.Contains(names, f.name) {
			return s
		}
	}
	s.files = slices.Clone(x.files)
	s.tables = []postings{x.table}
	return s
}

func (s *indexState) knows(name string) bool {
	if _, damaged := s.problems[name]; damaged {
		return true
	}
	return slices.ContainsFunc(s.files, func(f *indexFile) bool { return f.name == name })
}

func (s *indexState) add(f *indexFile, prefixes []uint64) {
	s.tables = append(s.tables, newPostings(len(s.files), prefixes))
	s.files = append(s.files, f)
	s.opened = append(s.opened, f)
}

func (s *indexState) closeOpened() {
	for _, f := range s.opened {
		f.file.Close()
	}
}
