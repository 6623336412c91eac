package chunk

import (
	"context"
	"time"

	"davit/engine/hostfs"
)

// A Tree is the folder that a pass reads, wherever it is; [Local] makes one of a
// folder of this host. Paths are relative to it, "" is the folder itself. Its
// methods are safe for concurrent use. An error of one file wraps an errno or
// hostfs.ErrNotRegular and leaves the stream without the file; any other error ends
// the pass.
type Tree interface {
	// Path names the tree in messages.
	Path() string
	// Settle writes out what is dirty and returns the time before it, by the
	// clock that stamps the tree's files; now is this host's.
	Settle(now func() time.Time) (time.Time, error)
	// FSType is as in hostfs.Root.
	FSType() (name string, trusted bool, err error)
	// Walk is as in hostfs.Root.
	Walk(ctx context.Context, o hostfs.WalkOptions, visit func(*hostfs.Entry) error) error
	OpenFolder(rel string) (Folder, error)
}

// A Folder is one folder of a tree; names are as in hostfs.Dir.
type Folder interface {
	Xattrs(name string) ([]hostfs.Xattr, error)
	Readlink(name string) (string, error)
	OpenRegular(name string) (File, hostfs.Stat, error)
	Close() error
}

// A File is an open regular file.
type File interface {
	Stat() (hostfs.Stat, error)
	Xattrs() ([]hostfs.Xattr, error)
	DataSegments(size int64) ([]hostfs.Segment, error)
	// Pread reads as much as it can at off; 0 without an error is the end.
	Pread(buf []byte, off int64) (int, error)
	Close() error
}

// A farTree is a tree to which every question is a journey: it is told early what
// will be asked.
type farTree interface {
	// Ahead asks for these entries, which will be opened soon. It waits while
	// too much is under way; done says that they are not needed any more.
	Ahead(ctx context.Context, paths []string) (done func(), err error)
}

// ahead tells a far tree what the worker that gets u will open.
func (p *pass) ahead(ctx context.Context, u *unit) (err error) {
	far, ok := p.root.(farTree)
	if !ok {
		return nil
	}
	var paths []string
	for i := range u.members {
		if m := &u.members[i]; !m.isBig() && m.role != roleLink && kindOf(m.stat.Mode) != KindSocket {
			paths = append(paths, m.path)
		}
	}
	u.forget, err = far.Ahead(ctx, paths)
	return err
}
