package diskscan

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// folderDepth is how deep folders are told apart; what is below belongs to the folder at that depth.
	folderDepth = 5
	// maxFolders bounds the memory that they take.
	maxFolders = 10_000
)

// folderSum adds up what is directly in a folder, and, at folderDepth, everything below it.
type folderSum struct {
	tally
	path   string
	depth  int
	parent *folderSum

	mu       sync.Mutex
	children []*folderSum
}

func (f *folderSum) sum() *tally {
	if f == nil {
		return nil
	}
	return &f.tally
}

func (f *folderSum) before(g *folderSum) bool { return f != nil && g != nil && f.path < g.path }

// folderCount says how many folders may still be told apart.
type folderCount struct{ left atomic.Int64 }

// child returns the sum for a folder in f: one of its own if it is not too deep.
func (c *folderCount) child(f *folderSum, name string) *folderSum {
	if f == nil || f.depth >= folderDepth || c.left.Add(-1) < 0 {
		return f
	}
	sub := &folderSum{path: joinPath(f.path, name), depth: f.depth + 1, parent: f}
	f.mu.Lock()
	f.children = append(f.children, sub)
	f.mu.Unlock()
	return sub
}

// joinPath also copies name.
func joinPath(dir, name string) string {
	if strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}

// FolderUsage is a folder with everything below it.
type FolderUsage struct {
	Path string `json:"path"`
	Usage
	Children []*FolderUsage `json:"-"` // the largest first
}

// total adds up the tree; the scan must be over.
func (f *folderSum) total() *FolderUsage {
	u := &FolderUsage{Path: f.path, Usage: f.usage()}
	for _, c := range f.children {
		sub := c.total()
		u.add(sub.Usage)
		u.Children = append(u.Children, sub)
	}
	slices.SortFunc(u.Children, func(a, b *FolderUsage) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Path, b.Path))
	})
	return u
}

// Largest returns the folders in which the most bytes are, at most n. A folder of which one subfolder holds nearly
// everything only leads there, and is left out.
func Largest(tops []*FolderUsage, n int) []*FolderUsage {
	var all []*FolderUsage
	var collect func(f *FolderUsage)
	collect = func(f *FolderUsage) {
		if len(f.Children) == 0 || f.Children[0].Bytes < f.Bytes-f.Bytes/10 || f.Bytes == 0 {
			all = append(all, f)
		}
		for _, c := range f.Children {
			collect(c)
		}
	}
	for _, f := range tops {
		collect(f)
	}
	slices.SortFunc(all, func(a, b *FolderUsage) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Path, b.Path))
	})
	return all[:min(n, len(all))]
}
