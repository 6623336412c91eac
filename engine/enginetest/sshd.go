package enginetest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SSHD is a real ssh server in an engine's network namespace, where only the test's ssh gets.
// Whoever logs in finds the engine's docker and socket.
type SSHD struct {
	d       *Dockerd
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

// StartSSHD starts a server for an engine, and puts an ssh command on PATH that gets there. Names of hosts: good;
// closed, stranger, unknown, silent, and nodocker at port 23, which fail in as many ways. It ends with the test.
func StartSSHD(t *testing.T, d *Dockerd) *SSHD {
	t.Helper()
	s := &SSHD{d: d, dir: filepath.Join(d.Dir, "ssh")}
	s.logFile = filepath.Join(s.dir, "log")
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	s.tree = strings.TrimSpace(command(t, filepath.Join(root, "scripts", "sshd.sh")))
	ssh := strings.TrimSpace(command(t, "sh", "-c", "command -v ssh"))
	for _, dir := range []string{s.dir, filepath.Join(s.dir, "bin")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"host", "user", "stranger"} {
		command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.dir, key))
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
func (s *SSHD) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	text = strings.NewReplacer("{dir}", s.dir, "{bin}", s.d.BinDir, "{host}", s.d.Host).Replace(text)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// start runs sshd in the engine's namespace, which also ends it should this test be
// killed, and waits until it listens.
func (s *SSHD) start(t *testing.T) {
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
	t.Cleanup(func() { s.Stop(t) })
	deadline := time.Now().Add(time.Minute)
	for strings.Count(s.Log(t), "Server listening") != 2 {
		select {
		case <-s.exited:
			t.Fatalf("sshd ended at once: %s", s.Log(t))
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen: %s", s.Log(t))
		}
	}
}

// Stop ends the server, not the sessions that it has begun.
func (s *SSHD) Stop(t *testing.T) {
	t.Helper()
	s.cmd.Process.Kill()
	select {
	case <-s.exited:
	case <-time.After(time.Minute):
		t.Error("sshd does not end")
	}
}

// Log is what the server wrote.
func (s *SSHD) Log(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(s.logFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// Logins counts those that succeeded.
func (s *SSHD) Logins(t *testing.T) int {
	t.Helper()
	return strings.Count(s.Log(t), "Accepted publickey")
}

// command runs a command that must succeed and returns what it prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, said.String())
	}
	return string(out)
}
