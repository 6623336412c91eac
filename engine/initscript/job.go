package initscript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"davit/engine/systemd"
)

// pollTime is how often it is looked whether a service has ended.
const pollTime = 50 * time.Millisecond

// Begin is that of [systemd.Conn]. A reload is the signal that systemd's unit of the engine sends, since few scripts have one.
func (m *Manager) Begin(ctx context.Context, verb systemd.Verb, unit string) (wait func(context.Context) error, err error) {
	if info, err := os.Stat(m.log(unit)); err == nil {
		m.logEnd = info.Size()
	}
	pid, _ := m.process(unit)
	if verb == systemd.Reload {
		return func(context.Context) error { return nil }, m.reload(unit, pid)
	}
	ended := make(chan error, 1)
	go func() {
		// ctx is that of whoever waits: what has begun goes on.
		said, code, err := m.run(context.WithoutCancel(ctx), unit, string(verb))
		if err == nil && code != 0 {
			err = &systemd.JobError{Verb: verb, Unit: unit, Result: fmt.Sprintf("exit code %d%s", code, withColon(said))}
		}
		ended <- err
	}()
	return func(ctx context.Context) error {
		select {
		case err := <-ended:
			if err != nil || verb != systemd.Stop {
				return err
			}
			return gone(ctx, unit, pid)
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w", verb, unit, context.Cause(ctx))
		}
	}, nil
}

func (m *Manager) reload(unit string, pid int) error {
	if pid == 0 {
		return fmt.Errorf("reload %s: its process is not known: there is no /run/%s.pid", unit, unit)
	}
	err := signal(pid, syscall.SIGHUP)
	if errors.Is(err, fs.ErrPermission) {
		err = systemd.ErrNotPermitted
	}
	if err != nil {
		return fmt.Errorf("reload %s: %w", unit, err)
	}
	return nil
}

func signal(pid int, s os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer func() { _ = p.Release() }()
	return p.Signal(s)
}

// gone waits for the end of a process, for which not all scripts wait.
func gone(ctx context.Context, unit string, pid int) error {
	for pid != 0 && !errors.Is(signal(pid, syscall.Signal(0)), os.ErrProcessDone) {
		select {
		case <-time.After(pollTime):
		case <-ctx.Done():
			return fmt.Errorf("stop %s: %w", unit, context.Cause(ctx))
		}
	}
	return nil
}

// run carries out a script and returns the last line that it printed.
func (m *Manager) run(ctx context.Context, name, verb string) (said string, code int, err error) {
	// A file, not a pipe: the engine may inherit it, and must not die of a pipe that nobody reads.
	out, err := os.CreateTemp("", "davit-script-")
	if err != nil {
		return "", 0, fmt.Errorf("%s %s: %w", verb, name, err)
	}
	defer out.Close()
	if err := os.Remove(out.Name()); err != nil {
		return "", 0, fmt.Errorf("%s %s: %w", verb, name, err)
	}
	cmd := exec.CommandContext(ctx, m.script(name), verb)
	if m.openrc {
		cmd = exec.CommandContext(ctx, "rc-service", "--nocolor", name, verb)
	}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	cmd.Stdout, cmd.Stderr = out, out
	ownSession(cmd)
	err = cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		return "", 0, fmt.Errorf("%s %s: %w", verb, name, err)
	}
	text, err := readTail(out, tailBytes)
	if err != nil {
		return "", 0, fmt.Errorf("%s %s: read what it said: %w", verb, name, err)
	}
	return lastLine(text), cmd.ProcessState.ExitCode(), nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// tailBytes is as much of a log as is ever looked at.
const tailBytes = 64 << 10

func readTail(file *os.File, n int64) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	from := max(0, info.Size()-n)
	data, err := io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
	return string(data), err
}
