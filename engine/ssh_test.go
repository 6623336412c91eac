package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	s := startSSHD(t, d)
	t.Run("answers", func(t *testing.T) { testSSHAnswers(t, s) })
	t.Run("unreachable", func(t *testing.T) { testSSHUnreachable(t, s) })
	t.Run("vanished", func(t *testing.T) { testSSHVanished(t, s) })
}

func testSSHAnswers(t *testing.T, s *sshd) {
	e, err := engine.Connect(t.Context(), engine.Target{Host: "ssh://root@good", ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log(t))
	}
	defer e.Close()
	info, err := e.Info(t.Context())
	if err != nil || info.DataRoot != s.d.DataRoot {
		t.Errorf("info %+v, %v; want data-root %s", info, err, s.d.DataRoot)
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
	before := s.logins(t)
	for range 3 {
		if again, err := e.Containers(t.Context()); err != nil || len(again) != 20 {
			t.Errorf("%d containers, %v", len(again), err)
		}
	}
	if n := s.logins(t); before > 20 || n-before > 4 {
		t.Errorf("%d logins for 20 containers and 20 volumes, %d more for the containers three times more", before, n-before)
	}
	if len(sshProcesses(t)) == 0 {
		t.Error("no ssh process while connected")
	}
	e.Close()
	waitNoSSH(t)
}

func testSSHUnreachable(t *testing.T, s *sshd) {
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
func testSSHVanished(t *testing.T, s *sshd) {
	e, err := engine.Connect(t.Context(), engine.Target{Host: "ssh://root@good", ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.stop(t)
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

// sshd is a real one in an engine's network namespace, where only the test's ssh gets.
// Whoever logs in finds the engine's docker and socket.
type sshd struct {
	d       *enginetest.Dockerd
	dir     string
	tree    string // sshd's own files, unpacked
	cmd     *exec.Cmd
	exited  chan struct{}
	logFile string
}

const sshdConfig = `Port 22
Port 23
ListenAddress 127.0.0.1
HostKey {dir}/host
AuthorizedKeysFile {dir}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
LogLevel VERBOSE
Match LocalPort 23
	SetEnv PATH=/nonexistent
Match all
	SetEnv PATH={bin}:/usr/bin:/bin DOCKER_HOST={host}
`

// ssh's own configuration, that of this machine left aside.
const sshConfig = `Host closed
	Port 1
Host stranger
	IdentityFile {dir}/stranger
Host * !stranger
	IdentityFile {dir}/user
Host unknown
	UserKnownHostsFile /dev/null
Host silent
	ProxyCommand sleep 60
Host *
	HostName 127.0.0.1
	HostKeyAlias davit
	IdentitiesOnly yes
	IdentityAgent none
	UserKnownHostsFile {dir}/known
	GlobalKnownHostsFile /dev/null
`

func startSSHD(t *testing.T, d *enginetest.Dockerd) *sshd {
	t.Helper()
	s := &sshd{d: d, dir: filepath.Join(d.Dir, "ssh")}
	s.logFile = filepath.Join(s.dir, "log")
	s.tree = strings.TrimSpace(output(t, "../scripts/sshd.sh"))
	ssh := strings.TrimSpace(output(t, "sh", "-c", "command -v ssh"))
	for _, dir := range []string{s.dir, filepath.Join(s.dir, "bin")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"host", "user", "stranger"} {
		output(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.dir, key))
	}
	public, err := os.ReadFile(filepath.Join(s.dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "known", "davit "+string(public), 0o600)
	s.write(t, "ssh_config", sshConfig, 0o600)
	s.write(t, "sshd_config", sshdConfig, 0o600)
	// The system's sshd may not be installed: its user and its folder are made up.
	s.write(t, "passwd", "root:x:0:0:root:{dir}:/bin/sh\nsshd:x:65534:65534::/run/sshd:/bin/false\n", 0o644)
	s.write(t, "bin/ssh", "#!/bin/sh\nexec nsenter --net=/run/netns/"+d.Netns+" "+ssh+" -F {dir}/ssh_config \"$@\"\n", 0o755)
	t.Setenv("PATH", filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"))
	s.start(t)
	return s
}

// write makes a file in which {dir}, {bin} and {host} are filled in.
func (s *sshd) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	text = strings.NewReplacer("{dir}", s.dir, "{bin}", s.d.BinDir, "{host}", s.d.Host).Replace(text)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// start runs sshd in the engine's namespace, which also ends it should this test be
// killed, and waits until it listens.
func (s *sshd) start(t *testing.T) {
	t.Helper()
	script := `mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd && mount --bind "$1/passwd" /etc/passwd &&
		exec "$2/usr/sbin/sshd" -D -f "$1/sshd_config" -E "$1/log"`
	s.cmd = exec.Command("nsenter", "--net=/run/netns/"+s.d.Netns, "unshare", "--mount", "sh", "-c", script, "sh", s.dir, s.tree)
	s.cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(s.tree, "usr", "lib"))
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// A file: whatever is copied would be waited for as long as a login lasts.
	said, err := os.OpenFile(s.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	s.cmd.Stderr = said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func() { s.cmd.Wait(); close(s.exited) }()
	t.Cleanup(func() { s.stop(t) })
	poll(t, "sshd listens", func() bool {
		select {
		case <-s.exited:
			t.Fatalf("sshd ended at once: %s", s.log(t))
		default:
		}
		return strings.Count(s.log(t), "Server listening") == 2
	})
}

func (s *sshd) stop(t *testing.T) {
	t.Helper()
	s.cmd.Process.Kill()
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		t.Error("sshd does not end")
	}
}

func (s *sshd) log(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(s.logFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func (s *sshd) logins(t *testing.T) int {
	t.Helper()
	return strings.Count(s.log(t), "Accepted publickey")
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
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, said.String())
	}
	return string(out)
}
