package enginetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTime = time.Minute
	stopTime  = time.Minute
)

// spawn starts a binary of the engine in the engine's namespace and a session of its own,
// so that a Ctrl-C at the test does not reach it. Each program replaces the one before: the
// process id is that of the binary. (`ip netns exec` would also remount /sys, in which
// dockerd then finds no cgroups.) What an engine makes is for others to read, as where a
// service manager starts it, whatever the test's umask.
func (d *Dockerd) spawn(logFile, name string, args ...string) (*exec.Cmd, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	const run = `umask 022 && exec nsenter "$@"`
	cmd := exec.Command("sh", append([]string{"-c", run, "sh", "--net=" + netnsPath(d.Netns), filepath.Join(d.BinDir, name)}, args...)...)
	cmd.Env, cmd.Dir = d.environ(), d.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

func (d *Dockerd) startContainerd() error {
	log := filepath.Join(d.Dir, "containerd.log")
	cmd, err := d.spawn(log, "containerd", "--config", filepath.Join(d.Dir, "containerd.toml"))
	if err != nil {
		return err
	}
	d.containerd = cmd
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	return waitUp(exited, log, func() bool {
		c, err := net.Dial("unix", d.containerdSocket())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Start starts dockerd again after Stop or Kill9, and returns when it answers.
func (d *Dockerd) Start(t testing.TB) {
	t.Helper()
	cmd, err := d.spawn(d.LogFile, "dockerd", d.dockerdArgs()...)
	if err != nil {
		t.Fatalf("start dockerd: %v", err)
	}
	d.dockerd, d.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) { cmd.Wait(); close(exited) }(d.exited)
	if err := waitUp(d.exited, d.LogFile, d.answers); err != nil {
		t.Fatalf("start dockerd %s: %v", d.Version, err)
	}
}

// answers tells whether the engine's API does.
func (d *Dockerd) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	socket := strings.TrimPrefix(d.Host, "unix://")
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", nil)
	if err != nil {
		return false
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Stop ends dockerd as a service manager does: its containers are stopped with it,
// unless live-restore is set.
func (d *Dockerd) Stop(t testing.TB) {
	t.Helper()
	d.signal(t, syscall.SIGTERM)
}

// Kill9 kills dockerd. Its containers run on.
func (d *Dockerd) Kill9(t testing.TB) {
	t.Helper()
	d.signal(t, syscall.SIGKILL)
}

// Restart stops dockerd and starts it again.
func (d *Dockerd) Restart(t testing.TB) {
	t.Helper()
	d.Stop(t)
	d.Start(t)
}

// Pid is dockerd's process id.
func (d *Dockerd) Pid() int { return d.dockerd.Process.Pid }

func (d *Dockerd) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := d.dockerd.Process.Signal(s); err != nil {
		t.Fatalf("signal dockerd: %v", err)
	}
	select {
	case <-d.exited:
	case <-time.After(stopTime):
		t.Fatalf("dockerd did not end within %v of %v\n%s", stopTime, s, tail(d.LogFile))
	}
}

// waitUp polls until up, the process has exited, or the time is over.
func waitUp(exited <-chan struct{}, logFile string, up func() bool) error {
	deadline := time.After(startTime)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !up() {
		select {
		case <-tick.C:
		case <-exited:
			return fmt.Errorf("it ended at once\n%s", tail(logFile))
		case <-deadline:
			return fmt.Errorf("no answer within %v\n%s", startTime, tail(logFile))
		}
	}
	return nil
}

// tail returns the last lines of a log.
func tail(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
