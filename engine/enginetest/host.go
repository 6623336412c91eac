package enginetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Host is a machine of its own with an engine and, unless another is chosen, systemd as its first process, as
// scripts/testhost makes them.
type Host struct {
	script, name string
	env          []string
}

// HostOptions choose a host.
type HostOptions struct {
	Engine string   // "20.10" on Debian 12, the usual one; "26.1", "28.5", "29" on Debian 13; "sysv", "openrc": 20.10 without systemd
	Disks  []string // further disks, "ext4:2G" or "xfs:2G"; the first is mounted on /mnt/disk1 by mnt-disk1.mount
}

// StartHost boots a new host, which is gone at the end of the test.
func StartHost(t testing.TB) *Host {
	t.Helper()
	return StartHostWith(t, HostOptions{})
}

// StartHostWith is StartHost with another engine or more disks.
func StartHostWith(t testing.TB, o HostOptions) *Host {
	t.Helper()
	NeedRoot(t)
	module, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "davit-hosts-")
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{
		script: filepath.Join(module, "scripts", "testhost"),
		name:   "t" + strings.ToLower(rand.Text()[:8]),
		env:    append(os.Environ(), "DAVIT_TESTHOSTS="+dir),
	}
	t.Cleanup(func() {
		h.must(t, "down", h.name)
		os.RemoveAll(dir)
	})
	up := []string{"up", h.name}
	if o.Engine != "" {
		up = append(up, "--engine", o.Engine)
	}
	for _, d := range o.Disks {
		up = append(up, "--disk", d)
	}
	h.must(t, up...)
	return h
}

// Put copies a file or folder of this machine into the host.
func (h *Host) Put(t testing.TB, src, dst string) {
	t.Helper()
	h.must(t, "put", h.name, src, dst)
}

// Run carries out a command as root in the host and returns what it printed and its exit code.
func (h *Host) Run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(h.script, append([]string{"exec", h.name}, args...)...)
	cmd.Env = h.env
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	var exit *exec.ExitError
	if e := cmd.Run(); errors.As(e, &exit) {
		code = exit.ExitCode()
	} else if e != nil {
		t.Fatal(e)
	}
	return out.String(), err.String(), code
}

// Must is Run for a step that only prepares the test: it has to succeed.
func (h *Host) Must(t testing.TB, args ...string) string {
	t.Helper()
	stdout, stderr, code := h.Run(t, args...)
	if code != 0 {
		t.Fatalf("%s: exit code %d: %s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func (h *Host) must(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command(h.script, args...)
	cmd.Env = h.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("testhost %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
