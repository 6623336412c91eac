package backup

import "sync/atomic"

// treeProgress turns what passes tell into what a Reporter hears. Only the first pass over a tree
// counts: later ones see the same bytes again.
type treeProgress struct {
	reporter Reporter
	bytes    atomic.Int64
	entries  atomic.Int64
}

func newTreeProgress(r Reporter) *treeProgress { return &treeProgress{reporter: r} }

// expect adds to what there is to do.
func (p *treeProgress) expect(bytes int64) { p.Found(0, bytes) }

// Found implements chunk.Progress.
func (p *treeProgress) Found(entries, bytes int64) {
	p.reporter.Start(p.bytes.Add(bytes), p.entries.Add(entries))
}

// Done implements chunk.Progress.
func (p *treeProgress) Done(_, bytes int64) { p.reporter.Add(bytes) }
