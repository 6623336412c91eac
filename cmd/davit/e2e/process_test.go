package e2e

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// process is a davit that runs.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start starts a davit command; what it says is lost. It is killed with the test.
func (s *site) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: s.command(args...), done: make(chan struct{})}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the code is read from ProcessState
		close(p.done)
	}()
	t.Cleanup(func() { p.kill(t) })
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(t *testing.T, s unix.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// kill ends the process with SIGKILL, if it still runs, and tells whether that is what ended it.
func (p *process) kill(t *testing.T) bool {
	t.Helper()
	p.signal(t, unix.SIGKILL)
	<-p.done
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == unix.SIGKILL
}
