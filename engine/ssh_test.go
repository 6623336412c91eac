package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/enginetest"
)

// An engine behind a real sshd, asked by the real ssh: everything is answered as on the
// machine itself, with few logins; it is not local although its files are; and Close ends
// the ssh processes. Every way not to get there has its reason and a way out.
func TestSSH(t *testing.T) {
	enginetest.NeedRoot(t)
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{})
	d.ImportImage(t, "base:1", nil)
	for i := range 20 {
		d.CLI(t, "create", "--name", fmt.Sprintf("c%d", i), "--volume", fmt.Sprintf("v%d:/v", i), "base:1", "true")
	}
	s := enginetest.StartSSHD(t, d)
	t.Run("answers", func(t *testing.T) { testSSHAnswers(t, d, s) })
	t.Run("unreachable", func(t *testing.T) { testSSHUnreachable(t, s) })
	t.Run("vanished", func(t *testing.T) { testSSHVanished(t, s) })
}

func testSSHAnswers(t *testing.T, d *enginetest.Dockerd, s *enginetest.SSHD) {
	e, err := engine.Connect(t.Context(), engine.Target{Host: "ssh://root@good", ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log(t))
	}
	defer e.Close()
	info, err := e.Info(t.Context())
	if err != nil || info.DataRoot != d.DataRoot {
		t.Errorf("info %+v, %v; want data-root %s", info, err, d.DataRoot)
	}
	containers, err := e.Containers(t.Context())
	if err != nil || len(containers) != 20 {
		t.Errorf("%d containers, %v", len(containers), err)
	}
	volumes, err := e.Volumes(t.Context())
	if err != nil || len(volumes) != 20 {
		t.Errorf("%d volumes, %v", len(volumes), err)
	}
	if local, reason := e.Local(t.Context()); local || reason != "it is reached over ssh" {
		t.Errorf("local %v, %q", local, reason)
	}
	// A login takes as long as a hundred questions: connections are kept.
	before := s.Logins(t)
	for range 3 {
		if again, err := e.Containers(t.Context()); err != nil || len(again) != 20 {
			t.Errorf("%d containers, %v", len(again), err)
		}
	}
	if n := s.Logins(t); before > 20 || n-before > 10 { // one that has just answered may not be seen to be free yet
		t.Errorf("%d logins for 20 containers and 20 volumes, %d more for the containers three times more", before, n-before)
	}
	if len(sshProcesses(t)) == 0 {
		t.Error("no ssh process while connected")
	}
	e.Close()
	waitNoSSH(t)
}

func testSSHUnreachable(t *testing.T, s *enginetest.SSHD) {
	for _, c := range []struct {
		name, endpoint, reason, hint string
		patience                     time.Duration
	}{
		{"nothing listens", "ssh://root@closed", "ssh: connect to host 127.0.0.1 port 1: Connection refused", ": ssh root@closed docker", 20 * time.Second},
		{"key refused", "ssh://root@stranger", "root@127.0.0.1: Permission denied (publickey)", ": ssh root@stranger docker", 20 * time.Second},
		{"host key not known", "ssh://root@unknown", "Host key verification failed", ": ssh root@unknown docker", 20 * time.Second},
		{"no docker", "ssh://root@nodocker:23", "docker: not found", "install the docker command", 20 * time.Second},
		{"no engine", "ssh://root@good/nonexistent/s", "/nonexistent/s", "is the engine started", 20 * time.Second},
		{"silent", "ssh://root@silent:22", "timeout", ": ssh -p 22 root@silent docker", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.patience)
			defer cancel()
			began := time.Now()
			unreachable(t, ctx, c.endpoint, c.reason, c.hint)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			waitNoSSH(t)
		})
	}
	t.Run("no ssh", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		unreachable(t, t.Context(), "ssh://root@good", "no ssh command", "install openssh-client")
	})
}

func unreachable(t *testing.T, ctx context.Context, endpoint, reason, hint string) {
	t.Helper()
	e, err := engine.Connect(ctx, engine.Target{Host: endpoint, ConfigDir: t.TempDir()})
	wantUnreachable(t, e, err, endpoint, reason, hint)
}

func wantUnreachable(t *testing.T, e *engine.Engine, err error, endpoint, reason, hint string) {
	t.Helper()
	if err == nil {
		e.Close()
		t.Fatal("connected")
	}
	var u *engine.UnreachableError
	if !errors.As(err, &u) {
		t.Fatalf("error %T %v, want UnreachableError", err, err)
	}
	if u.Endpoint != endpoint || !strings.Contains(u.Reason, reason) || len(u.Reason) > 200 || strings.Contains(u.Reason, "\n") {
		t.Errorf("endpoint %s, reason %q; want %s, %q", u.Endpoint, u.Reason, endpoint, reason)
	}
	if (hint == "") != (u.Hint == "") || !strings.Contains(u.Hint, hint) {
		t.Errorf("hint %q, want %q", u.Hint, hint)
	}
}

// When the server goes away later, that is told in the same way.
func testSSHVanished(t *testing.T, s *enginetest.SSHD) {
	e, err := engine.Connect(t.Context(), engine.Target{Host: "ssh://root@good", ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	for _, pid := range sshProcesses(t) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	waitNoSSH(t)
	_, err = e.Volumes(t.Context())
	var u *engine.UnreachableError
	if !errors.As(err, &u) || !strings.Contains(u.Reason, "Connection refused") {
		t.Errorf("error %v, want connection refused", err)
	}
	e.Close()
	waitNoSSH(t)
}

func waitNoSSH(t *testing.T) {
	t.Helper()
	poll(t, "ssh ends", func() bool { return len(sshProcesses(t)) == 0 })
}

// sshProcesses are the children of this process that became ssh, or are about to.
func sshProcesses(t *testing.T) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		head, tail, _ := strings.Cut(string(data), ") ")
		pid, name, _ := strings.Cut(head, " (")
		fields := strings.Fields(tail)
		if len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) || name != "ssh" && name != "nsenter" {
			continue
		}
		if n, err := strconv.Atoi(pid); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
