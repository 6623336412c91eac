package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"davit/backup/chunk"
	"davit/engine/hostfs"
)

// TreeOptions say what of a place is walked.
type TreeOptions struct {
	Exclude []string // patterns, which the agent applies
	// NotEntered is told of mounts below the place that the agent leaves out, and why. It may be nil.
	NotEntered func(path, reason string)
}

// Tree is a place as a chunk.Tree. One pass at a time may read it.
type Tree struct {
	place   *Place
	options TreeOptions

	mu      sync.Mutex
	ctx     context.Context // of the pass
	fetched map[string]*fetch
	room    chan struct{} // bounds the fetches whose files were not read yet
}

// fetchesAhead bounds what is fetched before it is wanted.
const fetchesAhead = 24

// settleTime bounds a sync of the agent's file system, which has no context of its own.
const settleTime = 30 * time.Minute

// Tree makes a tree of a place.
func (p *Place) Tree(o TreeOptions) *Tree {
	t := &Tree{place: p, options: o}
	t.begin(context.Background())
	return t
}

// Path is the place's path in the helper container.
func (t *Tree) Path() string { return t.place.path }

// FSType is as in hostfs.Root.
func (t *Tree) FSType() (name string, trusted bool, err error) {
	return t.place.FSType, t.place.Trusted, nil
}

// Settle is as in chunk.Tree: the time is the agent's.
func (t *Tree) Settle(func() time.Time) (time.Time, error) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	return t.place.Settle(ctx)
}

// Walk is as in hostfs.Root. What is left out was said by TreeOptions: the functions of o are not asked, but for Problem.
func (t *Tree) Walk(ctx context.Context, o hostfs.WalkOptions, visit func(*hostfs.Entry) error) (err error) {
	t.begin(ctx)
	p := &packer{}
	p.number(t.place.tree)
	p.text(t.place.File)
	p.texts(t.options.Exclude)
	body, err := t.call(ctx, opWalk, p.b)
	if err != nil {
		return err
	}
	u := &unpacker{b: body}
	walk := &packer{}
	walk.number(u.number())
	if err := u.err(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// The agent's walk ends by itself with the container; this is only sooner.
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, _ = t.call(stop, opStop, walk.b)
		}
	}()
	return t.receive(ctx, walk.b, o, visit)
}

// begin forgets what a pass that failed had asked for.
func (t *Tree) begin(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx, t.fetched, t.room = ctx, map[string]*fetch{}, make(chan struct{}, fetchesAhead)
}

// receive visits batch after batch, and asks for the next one before it visits one.
func (t *Tree) receive(ctx context.Context, walk []byte, o hostfs.WalkOptions, visit func(*hostfs.Entry) error) error {
	type result struct {
		body []byte
		err  error
	}
	ask := func() <-chan result {
		c := make(chan result, 1)
		go func() {
			body, err := t.call(ctx, opNext, walk)
			c <- result{body, err}
		}()
		return c
	}
	b := &batch{tree: t, problem: o.Problem, visit: visit}
	for next := ask(); ; {
		got := <-next
		if got.err != nil {
			return got.err
		}
		u := &unpacker{b: got.body}
		more := u.flag()
		if more {
			next = ask()
		}
		if err := b.read(u); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// batch reads what a walk sends.
type batch struct {
	tree    *Tree
	problem func(path string, err error)
	visit   func(*hostfs.Entry) error
	order   order
	dir     string
}

// What a walk sends.
const (
	walkEntry    = iota + 1 // in the folder of the one before
	walkFolder              // the same, with its folder before it
	walkProblem             // a path, and what is wrong with it
	walkNotEnter            // a mount, and why it is not entered
)

func (b *batch) read(u *unpacker) error {
	for len(u.b) > 0 && !u.bad {
		what := u.number()
		switch what {
		case walkProblem, walkNotEnter:
			path, reason := u.text(), u.text()
			switch {
			case u.bad:
			case what == walkProblem && b.problem != nil:
				b.problem(path, errors.New(reason))
			case what == walkNotEnter && b.tree.options.NotEntered != nil:
				b.tree.options.NotEntered(path, reason)
			}
			continue
		case walkFolder:
			b.dir = u.text()
		case walkEntry:
		default:
			u.bad = true
		}
		e := hostfs.Entry{Dir: b.dir, Name: u.text(), Stat: u.stat()}
		if u.bad {
			break
		}
		if err := b.order.check(&e); err != nil {
			return err
		}
		if err := b.visit(&e); err != nil {
			return err
		}
	}
	return u.err()
}

func (t *Tree) call(ctx context.Context, o op, body []byte) ([]byte, error) {
	return t.place.client.peer.call(ctx, o, body)
}

// pass is the context of the pass that reads.
func (t *Tree) pass() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ctx
}

// OpenFolder is as in chunk.Tree. Nothing is asked: what is no folder is seen when something in it is opened.
func (t *Tree) OpenFolder(rel string) (chunk.Folder, error) {
	return &folder{tree: t, path: rel}, nil
}

type folder struct {
	tree *Tree
	path string
}

func (f *folder) Close() error { return nil }

func (f *folder) join(name string) string {
	if f.path == "" || name == "" {
		return f.path + name
	}
	return f.path + "/" + name
}

func (f *folder) Xattrs(name string) ([]hostfs.Xattr, error) {
	got, err := f.tree.get(f.join(name))
	if err != nil {
		return nil, err
	}
	return got.xattrs, nil
}

func (f *folder) Readlink(name string) (string, error) {
	got, err := f.tree.get(f.join(name))
	if err != nil {
		return "", err
	}
	if !got.stat.IsSymlink() {
		return "", &farError{text: fmt.Sprintf("read link %q: it is none any more", name), is: hostfs.ErrNotRegular}
	}
	return got.link, nil
}

func (f *folder) OpenRegular(name string) (chunk.File, hostfs.Stat, error) {
	path := f.join(name)
	if got := f.tree.take(path); got != nil {
		return &memoryFile{got}, got.stat, nil
	}
	return f.tree.open(path)
}
