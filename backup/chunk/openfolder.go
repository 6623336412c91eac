//go:build linux

package chunk

import (
	"path"

	"davit/engine/hostfs"
)

// An openFolder keeps the folder open that was needed last: entries come folder by folder.
type openFolder struct {
	root *hostfs.Root
	path string
	dir  *hostfs.Dir
}

// open returns a folder by its path below the root; "" is the root. It is good until the next call.
func (f *openFolder) open(path string) (*hostfs.Dir, error) {
	if f.dir != nil && f.path == path {
		return f.dir, nil
	}
	f.close()
	dir, err := f.root.OpenDir(path)
	if err != nil {
		return nil, err
	}
	f.dir, f.path = dir, path
	return dir, nil
}

func (f *openFolder) close() {
	if f.dir != nil {
		_ = f.dir.Close() // nothing is written through it
		f.dir = nil
	}
}

// parent is the folder of a path below the root; "" is the root.
func parent(p string) string {
	if dir := path.Dir(p); dir != "." {
		return dir
	}
	return ""
}
