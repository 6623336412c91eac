package hostfs

import (
	"context"
)

// Entry is one file, folder or other object of a walk.
type Entry struct {
	Dir  string // the folder it is in, relative to the root; "" for the root's own children
	Name string
	Stat
}

// Path is the entry's path relative to the root; "" for the root itself.
func (e *Entry) Path() string { return join(e.Dir, e.Name) }

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// WalkOptions steers a walk. Its functions are called by several goroutines at once.
type WalkOptions struct {
	// Workers is how many goroutines read folders ahead; 0 means GOMAXPROCS.
	Workers int
	// Skip leaves an entry, and everything below it, out. It is not asked for the root.
	Skip func(dir, name string, st *Stat) bool
	// EnterMount says whether to go on below a folder on which something is mounted. Nil: never. The folder itself
	// is an entry either way.
	EnterMount func(path string, st *Stat) bool
	// Problem is told of what could not be read. What vanished meanwhile is no problem: it is simply gone.
	Problem func(path string, err error)
}

// Walk visits the root and everything below it: depth first, the names of a folder sorted by their bytes, a folder before
// what is in it. visit runs in the caller's goroutine, and its entry is valid only until it returns (the strings stay
// valid). Its first error ends the walk and is returned as it is; so is ctx's.
func (r *Root) Walk(ctx context.Context, o WalkOptions, visit func(*Entry) error) error {
	return nil
}
