package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// pipe is the owner's end of the named pipe over which a guard says that it is ready. It
// works for a child and for a unit alike.
type pipe struct {
	path string
	r    *os.File
	// keep is a writing end of our own: without one, reading ends before the guard has
	// opened its end.
	keep *os.File
}

func openPipe(journal string) (*pipe, error) {
	path := fifoPath(journal)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := makeFifo(path); err != nil {
		return nil, fmt.Errorf("make pipe %s: %w", path, err)
	}
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	keep, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(err, r.Close(), os.Remove(path))
	}
	return &pipe{path: path, r: r, keep: keep}, nil
}

// await returns when the guard says it is ready, or with the reason why it is not.
func (p *pipe) await(ctx context.Context, failed <-chan error) error {
	said := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(p.r).ReadString('\n')
		if line = strings.TrimSpace(line); err == nil && line != readyWord {
			err = errors.New(line)
		}
		said <- err
	}()
	select {
	case err := <-said:
		return err
	case err := <-failed:
		// What it said before it ended is the better reason.
		select {
		case s := <-said:
			return s
		case <-time.After(time.Second):
		}
		return errors.Join(err, p.interrupt(said))
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("not ready: %w", ctx.Err()), p.interrupt(said))
	}
}

// interrupt ends the reading goroutine.
func (p *pipe) interrupt(said <-chan error) error {
	err := p.r.SetReadDeadline(time.Unix(1, 0))
	<-said
	return err
}

// watch gives the pipe up and leaves a goroutine that notices the guard's end.
func (p *pipe) watch() (*process, error) {
	if err := errors.Join(p.keep.Close(), os.Remove(p.path)); err != nil {
		return nil, errors.Join(err, p.r.Close())
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, p.r) // until the last writing end is closed
		_ = p.r.Close()
	}()
	return &process{gone}, nil
}

func (p *pipe) close() error {
	return errors.Join(p.r.Close(), p.keep.Close(), os.Remove(p.path))
}
