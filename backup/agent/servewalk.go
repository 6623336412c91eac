//go:build linux

package agent

import (
	"context"
	"path/filepath"
	"sync"

	"davit/engine/hostfs"
)

// batchSize is how long the entries may be that go out together.
const batchSize = 256 << 10

// walk is a walk that goes on while the client reads what it found so far.
type walk struct {
	batches chan []byte // closed at the end
	cancel  context.CancelFunc
	err     error // once batches is closed
}

// walkWriter collects what is found; problems and mounts are told by several goroutines.
type walkWriter struct {
	walk *walk
	mu   sync.Mutex
	p    packer
	dir  *string // of the last entry
}

func (s *server) walk(u *unpacker, p *packer) error {
	t, err := find(s, s.trees, u.number())
	file, patterns := u.text(), u.texts()
	if err == nil {
		err = u.err()
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.peer.ctx)
	w := &walk{batches: make(chan []byte, 2), cancel: cancel}
	out := &walkWriter{walk: w}
	skips := s.rules.Skip(patterns)
	options := hostfs.WalkOptions{
		Skip: func(dir, name string, _ *hostfs.Stat) bool {
			return file != "" && dir == "" && name != file || skips(dir, name)
		},
		EnterMount: func(path string, _ *hostfs.Stat) bool {
			reason := s.rules.Enter(filepath.Join(t.root.Path(), path))
			if reason != "" {
				out.note(walkNotEnter, path, reason)
			}
			return reason == ""
		},
		Problem: func(path string, err error) { out.note(walkProblem, path, err.Error()) },
	}
	go func() {
		defer close(w.batches)
		w.err = t.root.Walk(ctx, options, func(e *hostfs.Entry) error { return out.entry(ctx, e) })
		if w.err == nil {
			w.err = out.flush(ctx)
		}
	}()
	p.number(keep(s, s.walks, w))
	return nil
}

func (w *walkWriter) note(what int64, path, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.p.number(what)
	w.p.text(path)
	w.p.text(reason)
}

func (w *walkWriter) entry(ctx context.Context, e *hostfs.Entry) error {
	w.mu.Lock()
	if w.dir == nil || *w.dir != e.Dir {
		dir := e.Dir
		w.dir = &dir
		w.p.number(walkFolder)
		w.p.text(dir)
	} else {
		w.p.number(walkEntry)
	}
	w.p.text(e.Name)
	w.p.stat(&e.Stat)
	full := len(w.p.b) >= batchSize
	w.mu.Unlock()
	if !full {
		return nil
	}
	return w.flush(ctx)
}

// flush hands out what was collected, and waits while the client has enough.
func (w *walkWriter) flush(ctx context.Context) error {
	w.mu.Lock()
	body := w.p.b
	w.p.b = nil
	w.mu.Unlock()
	select {
	case w.walk.batches <- body:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *server) nextBatch(ctx context.Context, u *unpacker) ([]byte, error) {
	handle := u.number()
	w, err := find(s, s.walks, handle)
	if err != nil {
		return nil, err
	}
	select {
	case body, more := <-w.batches:
		if !more {
			s.forgetWalk(handle, w)
			return []byte{0}, w.err
		}
		return append([]byte{1}, body...), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *server) stopWalk(u *unpacker) error {
	handle := u.number()
	w, err := find(s, s.walks, handle)
	if err == nil {
		s.forgetWalk(handle, w)
	}
	return err
}

func (s *server) forgetWalk(handle int64, w *walk) {
	w.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.walks, handle)
}
