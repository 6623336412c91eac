package diskscan

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"time"

	"davit/engine/hostfs"
)

// File is one large file.
type File struct {
	Path     string    `json:"path"`
	Owner    string    `json:"owner"` // its name
	Kind     Kind      `json:"kind"`
	Bytes    int64     `json:"bytes"`
	Apparent int64     `json:"apparent"`
	Modified time.Time `json:"modified"`
	Links    uint32    `json:"links,omitempty"`  // when more than one
	Sparse   bool      `json:"sparse,omitempty"` // takes less than its size
	Shared   bool      `json:"shared,omitempty"` // some of its blocks belong to other files as well (reflink, snapshot)
}

// largest keeps the largest files of one worker, the smallest of them first.
type largest struct {
	files []File
	n     int   // how many to keep
	least int64 // bytes
	until hostfs.Timespec
	old   bool   // only files not modified after until
	path  []byte // scratch
}

func (l *largest) Len() int           { return len(l.files) }
func (l *largest) Less(i, j int) bool { return fileOrder(l.files[i], l.files[j]) > 0 }
func (l *largest) Swap(i, j int)      { l.files[i], l.files[j] = l.files[j], l.files[i] }
func (l *largest) Push(x any)         { l.files = append(l.files, x.(File)) }
func (l *largest) Pop() any {
	last := l.files[len(l.files)-1]
	l.files = l.files[:len(l.files)-1]
	return last
}

// fileOrder puts the largest first.
func fileOrder(a, b File) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Path, b.Path))
}

// wants reports whether a file is worth naming. Most are not, and cost no memory to find that out.
func (w *worker) wants(e *hostfs.Entry) bool {
	l, bytes := &w.largest, e.Blocks*512
	if l.n == 0 || bytes == 0 || bytes < l.least || !e.IsRegular() || l.old && l.until.Before(e.Mtime) {
		return false
	}
	if len(l.files) < l.n || bytes != l.files[0].Bytes {
		return len(l.files) < l.n || bytes > l.files[0].Bytes
	}
	l.path = append(append(append(l.path[:0], strings.TrimSuffix(w.root, "/")...), '/'), e.Dir...)
	if e.Dir != "" {
		l.path = append(l.path, '/')
	}
	l.path = append(l.path, e.Name...)
	return string(l.path) < l.files[0].Path
}

func (l *largest) add(f File) {
	switch {
	case len(l.files) < l.n:
		heap.Push(l, f)
	case fileOrder(f, l.files[0]) < 0:
		l.files[0] = f
		heap.Fix(l, 0)
	}
}

// file describes an entry.
func (w *worker) file(owner *tally, e *hostfs.Entry) File {
	f := File{
		Path: w.path(e), Owner: owner.owner.Name, Kind: owner.owner.Kind,
		Bytes: e.Blocks * 512, Apparent: e.Size, Modified: e.Mtime.Time(), Sparse: e.Blocks*512 < e.Size,
	}
	if e.Nlink > 1 {
		f.Links = e.Nlink
	}
	return f
}

// merge returns the n largest of all workers' files.
func merge(workers []worker, n int) []File {
	var all []File
	for i := range workers {
		all = append(all, workers[i].largest.files...)
	}
	slices.SortFunc(all, fileOrder)
	return all[:min(n, len(all))]
}
