//go:build linux

package hostfs

import (
	"context"
	"strings"
	"sync"
)

// parcel is some of the entries of one folder, for one worker.
type parcel struct {
	dir     string
	ino     uint64 // of the folder
	entries []Entry
	bytes   int64
	last    bool                // nothing of the folder comes after
	names   map[string]struct{} // all names in the folder, with the last parcel
}

const (
	parcelEntries = 128
	parcelBytes   = 8 << 20
)

// feed cuts a walk into parcels. It also sorts out further names of a file, and remembers the folders.
type feed struct {
	root      *Root
	skip      func(dir, name string, st *Stat) bool
	problem   func(path string, err error)
	keepNames bool
	entry     func(*Entry)      // for each entry, in order, in one goroutine
	mount     func(path string) // for each folder on which something is mounted

	folders []Entry // all, each before what is in it
	again   []again // further names
	first   map[inodeKey]name
	stack   []*parcel
	mountID uint64
	device  uint64
}

type inodeKey struct{ dev, ino uint64 }

type name struct{ dir, name string }

// again is a further name of what has another name already.
type again struct{ own, first name }

// run walks and hands parcels to workers until all are done, or one returns an error.
func (f *feed) run(ctx context.Context, workers int, work func(ctx context.Context, b *parcel) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f.first = map[inodeKey]name{}
	parcels := make(chan *parcel, 2*workers)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for b := range parcels {
				if ctx.Err() != nil {
					continue
				}
				if err := work(ctx, b); err != nil {
					stop(err)
				}
			}
		})
	}
	send := func(b *parcel) {
		select {
		case parcels <- b:
		case <-ctx.Done():
		}
	}
	err := f.root.Walk(ctx, WalkOptions{Skip: f.skip, Problem: f.problem}, func(e *Entry) error {
		f.visit(e, send)
		return nil
	})
	for len(f.stack) > 0 {
		f.pop(send)
	}
	close(parcels)
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (f *feed) visit(e *Entry, send func(*parcel)) {
	f.entry(e)
	if e.Name == "" {
		f.mountID, f.device = e.MountID, e.Dev
		f.push(e)
		return
	}
	for f.stack[len(f.stack)-1].dir != e.Dir {
		f.pop(send)
	}
	b := f.stack[len(f.stack)-1]
	if b.names != nil {
		b.names[e.Name] = struct{}{}
	}
	if e.Nlink > 1 && !e.IsDir() {
		key, own := inodeKey{e.Dev, e.Ino}, name{e.Dir, e.Name}
		if first, known := f.first[key]; known {
			f.again = append(f.again, again{own, first})
			return
		}
		f.first[key] = own
	}
	b.entries = append(b.entries, *e)
	if e.IsRegular() {
		b.bytes += e.Size
	}
	if len(b.entries) >= parcelEntries || b.bytes >= parcelBytes {
		part := *b
		part.names = nil
		b.entries, b.bytes = nil, 0
		send(&part)
	}
	if !e.IsDir() {
		return
	}
	root := Stat{MountID: f.mountID, Dev: f.device}
	if e.onOtherMount(&root) {
		f.folders = append(f.folders, *e)
		f.mount(e.Path())
		return
	}
	f.push(e)
}

func (f *feed) push(e *Entry) {
	f.folders = append(f.folders, *e)
	b := &parcel{dir: e.Path(), ino: e.Ino}
	if f.keepNames {
		b.names = map[string]struct{}{}
	}
	f.stack = append(f.stack, b)
}

// pop sends what is left of the innermost folder.
func (f *feed) pop(send func(*parcel)) {
	b := f.stack[len(f.stack)-1]
	f.stack = f.stack[:len(f.stack)-1]
	b.last = true
	if len(b.entries) > 0 || b.names != nil {
		send(b)
	}
}

// split parts a path into its folder and its name.
func split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}
