package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
)

// TestPruneBeside runs prunes and backups of one host at the same time: what a backup saves stays, a backup waits for a
// prune, a second prune ends at once, and a backup notes what images are used for.
func TestPruneBeside(t *testing.T) {
	enginetest.NeedRoot(t)
	h := &prunedHost{enginetest.StartDockerd(t, enginetest.DockerdOptions{}), t.TempDir()}
	repo, policy, ledger := h.dir+"/repo", filepath.Join(h.dir, "policy.yaml"), h.dir+"/state/prune/used.json"
	if err := os.WriteFile(policy, []byte(prunePolicyText), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := h.davit(t, "backup", "init", "--repo", repo); code != 0 {
		t.Fatal(said)
	}
	h.MakeImage(t, "app:1")
	h.CLI(t, "create", "--name", "job", "app:1")
	h.CLI(t, "volume", "create", "--label", "com.docker.volume.anonymous=", "saved")
	h.CLI(t, "volume", "create", "--label", "com.docker.volume.anonymous=", "free")

	if code, _, said := h.davit(t, "prune", "plan", "--policy", policy); code != 0 {
		t.Fatal(said)
	}
	if _, err := os.Stat(ledger); err == nil {
		t.Error("a plan writes the ledger")
	}

	full, drain := fullPipe(t) // the backup cannot say that it is done, and so is not
	backup := h.begin(t, full, "backup", "create", "--repo", repo, "--volume", "saved")
	h.await(t, "the backup says what it saves", func() bool {
		list, err := os.ReadDir(h.dir + "/state/prune/saving")
		return err == nil && len(list) == 1
	})
	code, out, said := h.davit(t, "prune", "apply", "--policy", policy, "--archive", repo, "--yes")
	if code != 3 || !strings.Contains(out, "skipped volume saved: a backup saves it now") {
		t.Errorf("beside a backup: code %d: %s%s", code, out, said)
	}
	if left := h.CLI(t, "volume", "ls", "--quiet"); left != "saved" {
		t.Errorf("volumes left: %q", left)
	}
	drain()
	if err := backup.Wait(); err != nil {
		t.Errorf("the backup: %v: %s", err, backup.Stderr)
	}
	if data, err := os.ReadFile(ledger); err != nil || !bytes.Contains(data, []byte("volume saved")) {
		t.Errorf("the ledger has %s: %v", data, err)
	}
	if code, out, said = h.davit(t, "prune", "apply", "--policy", policy, "--yes"); code != 0 {
		t.Errorf("after the backup: code %d: %s%s", code, out, said)
	}
	if left := h.CLI(t, "volume", "ls", "--quiet"); left != "" {
		t.Errorf("volumes left: %q", left)
	}

	h.MakeImage(t, "app:2")
	held := flock(t, h.dir+"/state/prune/lock")
	if code, _, said := h.davit(t, "prune", "apply", "--policy", policy, "--archive", repo, "--yes"); code != 11 || !strings.Contains(said, "another prune is at work") {
		t.Errorf("two prunes: code %d: %s", code, said)
	}
	held()
	gate := flock(t, h.dir+"/state/prune/gate")
	backup = h.begin(t, nil, "backup", "create", "--repo", repo, "--image", "app:2")
	h.await(t, "the backup waits", func() bool {
		return strings.Contains(backup.Stderr.(*locked).String(), "waiting: a prune is under way")
	})
	gate()
	if err := backup.Wait(); err != nil {
		t.Errorf("a backup after a prune: %v: %s", err, backup.Stderr)
	}
}

// begin starts the program.
func (h *prunedHost) begin(t *testing.T, out io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("davit")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"--host", h.Host, "--state-dir", h.dir + "/state", "--cache-dir", h.dir + "/cache"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, &locked{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func (h *prunedHost) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// fullPipe returns a pipe that takes nothing until drain is called.
func fullPipe(t *testing.T) (full *os.File, drain func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		for err == nil {
			_, err = unix.Write(int(fd), make([]byte, 1<<20)) // it does not wait: Go's pipes do not block
		}
	}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("fill a pipe: %v", err)
	}
	return w, func() { go func() { _, _ = io.Copy(io.Discard, r) }() }
}

// flock locks a file as another process would, until the returned function is called.
func flock(t *testing.T, path string) func() {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// locked is what a process says, to be read while it lives.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
