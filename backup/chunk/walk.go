package chunk

import (
	"context"

	"davit/engine/hostfs"
)

type inode struct{ dev, ino uint64 }

// planner turns the walk of a tree into units, in stream order.
type planner struct {
	cutter runCutter
	links  map[inode]string    // first path of every file with several links
	lost   map[string]struct{} // paths that could not be read in an earlier attempt
	found  Stats
}

func newPlanner(p Params, lost map[string]struct{}, emit func(*unit) error) *planner {
	return &planner{
		cutter: runCutter{target: p.RunTarget, emit: emit},
		links:  map[inode]string{},
		lost:   lost,
	}
}

func (p *planner) visit(e *hostfs.Entry) error {
	m := member{path: e.Path(), stat: e.Stat}
	if _, ok := p.lost[m.path]; ok && m.path != "" {
		return nil
	}
	format := m.stat.Mode & hostfs.TypeMask
	if format != hostfs.TypeFolder && m.stat.Nlink > 1 {
		p.link(&m)
	}
	p.count(&m, format)
	return p.cutter.add(m)
}

// link finds the member's role among its links. The map holds files with several
// links only; keys have the device, since two file systems below one root may
// use the same inode number.
func (p *planner) link(m *member) {
	key := inode{m.stat.Dev, m.stat.Ino}
	if first, ok := p.links[key]; ok {
		m.role, m.primary = roleLink, first
		return
	}
	p.links[key] = m.path
	m.role = rolePrimary
}

func (p *planner) count(m *member, format uint32) {
	p.found.Entries++
	switch {
	case format == hostfs.TypeFolder:
		p.found.Folders++
	case m.holdsContent():
		p.found.Files++
		p.found.Bytes += m.stat.Size
	case format == hostfs.TypeRegular:
		p.found.Files++
	}
}

// walk visits the tree below root and flushes the last run.
func (p *planner) walk(ctx context.Context, root Tree, o SaveOptions, problem func(Problem)) error {
	err := root.Walk(ctx, hostfs.WalkOptions{
		Skip:       o.Skip,
		EnterMount: o.EnterMount,
		Problem: func(path string, err error) {
			problem(Problem{Path: path, Kind: Unreadable, Reason: err.Error()})
		},
	}, p.visit)
	if err != nil {
		return err
	}
	return p.cutter.flush(false)
}
