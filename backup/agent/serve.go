//go:build linux

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"davit/engine/hostfs"
)

// Serve answers the questions that come from r on w until r ends, which is no error. Trees are opened by their paths as
// they are asked for: it is the container's mounts that bound what can be read and written.
func Serve(r io.Reader, w io.Writer, version string, rules Rules) error {
	s := &server{version: version, rules: rules, trees: map[int64]*tree{}, files: map[int64]*os.File{}, walks: map[int64]*walk{}}
	p, err := newPeer(r, w, s.handle)
	if err != nil {
		return err
	}
	s.peer = p
	return p.run()
}

// server is an agent.
type server struct {
	version string
	rules   Rules
	peer    *peer

	mu    sync.Mutex
	next  int64
	trees map[int64]*tree
	files map[int64]*os.File
	walks map[int64]*walk
}

type tree struct {
	root *hostfs.Root
	file string // the one that was opened
}

var errHandle = errors.New("no such handle")

func (s *server) handle(ctx context.Context, o op, body []byte) ([]byte, error) {
	u, p := &unpacker{b: body}, &packer{}
	var err error
	switch o {
	case opHello:
		p.number(protocol)
		p.text(s.version)
	case opOpen:
		err = s.open(u, p)
	case opSettle:
		err = s.settle(u, p)
	case opWalk:
		err = s.walk(u, p)
	case opNext:
		return s.nextBatch(ctx, u)
	case opStop:
		err = s.stopWalk(u)
	case opFetch:
		err = s.fetch(u, p)
	case opFile:
		err = s.openFile(u, p)
	case opStat, opSegments, opRead:
		err = s.ofFile(o, u, p)
	case opClose:
		err = s.closeFile(u)
	case opRestore:
		err = s.restore(ctx, u, p)
	default:
		err = fmt.Errorf("question %d is not understood", o)
	}
	return p.b, err
}

// keep stores something under a new handle.
func keep[T any](s *server, in map[int64]T, what T) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	in[s.next] = what
	return s.next
}

func find[T any](s *server, in map[int64]T, handle int64) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what, ok := in[handle]
	if !ok {
		return what, errHandle
	}
	return what, nil
}

func (s *server) open(u *unpacker, p *packer) error {
	path := u.text()
	if err := u.err(); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	t := &tree{}
	if info.Mode().IsRegular() {
		path, t.file = filepath.Dir(path), info.Name()
	} else if !info.IsDir() {
		return fmt.Errorf("%s is neither a folder nor a file", path)
	}
	if t.root, err = hostfs.OpenRoot(path); err != nil {
		return err
	}
	name, trusted, err := t.root.FSType()
	if err != nil {
		return err
	}
	free, inodes, err := hostfs.Space(path)
	if err != nil {
		return err
	}
	empty, err := isEmpty(path)
	if err != nil {
		return err
	}
	p.number(keep(s, s.trees, t))
	p.text(t.file)
	p.text(name)
	p.flag(trusted && t.file == "") // the folder of a mounted file is the container's own
	p.flag(empty)
	p.b = appendNaturals(p.b, free, inodes)
	return nil
}

func isEmpty(dir string) (bool, error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

func (s *server) settle(u *unpacker, p *packer) error {
	t, err := find(s, s.trees, u.number())
	if err != nil {
		return err
	}
	now := hostfs.TimespecOf(s.rules.Now())
	p.b = appendNaturals(p.b, uint64(now.Sec), uint64(now.Nsec))
	return t.root.Syncfs()
}
