package storagetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"davit/backup/repo/storage"
)

// Server is a place for repositories.
type Server struct {
	URL  string            // of a place where nothing is
	Dir  string            // where that is on this machine
	Env  map[string]string // what a client needs
	Home string

	process *process // nil: there is none
}

// Kill ends the server as kill -9 does.
func (s Server) Kill() { s.process.kill() }

// Restart starts a server that was killed, at the same address with the same files.
func (s Server) Restart(t testing.TB) {
	t.Helper()
	s.process.start(t)
}

// Options are what storage.Connect needs for the server; each call has a cache of its own, as another
// host has.
func (s Server) Options(t testing.TB) storage.Options {
	return storage.Options{Cache: t.TempDir(), Home: s.Home, Getenv: func(name string) string { return s.Env[name] }}
}

// Connect returns the storage, which whoever gets it closes.
func (s Server) Connect(t testing.TB) storage.Storage {
	t.Helper()
	store, err := storage.Connect(t.Context(), s.URL, s.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// Folder is a place in a folder of this machine.
func Folder(t testing.TB) Server {
	dir := filepath.Join(t.TempDir(), "repo")
	return Server{URL: dir, Dir: dir}
}

// Keys of the S3 server's owner.
const (
	AccessKey = "davit"
	SecretKey = "davit-secret"
)

// S3 starts an S3 server with a bucket.
func S3(t testing.TB, arguments ...string) Server {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "bucket"), 0o755); err != nil {
		t.Fatal(err)
	}
	address := Address(t).String()
	args := append([]string{"--quiet", "--keep-alive", "--port", address}, arguments...)
	server := script(t, "s3server.sh")
	p := run(t, address, func() *exec.Cmd {
		cmd := exec.Command(server, append(args, "posix", root)...)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
		return cmd
	})
	return Server{
		process: p,
		URL:     "s3://http://" + address + "/bucket/davit", Dir: filepath.Join(root, "bucket", "davit"), Home: root,
		Env: map[string]string{"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_REGION": "us-east-1"},
	}
}

// S3AppendOnly starts an S3 server whose bucket keeps old versions, and returns the place as its owner sees it and
// as a host does whose key may list, read and put, and nothing else.
func S3AppendOnly(t testing.TB) (owner, host Server) {
	t.Helper()
	v := startVersions(t)
	if out, err := exec.Command(script(t, "s3server.sh"), "admin", "--access", AccessKey, "--secret", SecretKey, "--endpoint-url", "http://"+v.address,
		"create-user", "--access", "host", "--secret", "host-secret", "--role", "user").CombinedOutput(); err != nil {
		t.Fatalf("create user: %v: %s", err, out)
	}
	err := v.client.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{})
	if err == nil {
		err = v.client.EnableVersioning(t.Context(), "bucket")
	}
	if err == nil {
		err = v.client.SetBucketPolicy(t.Context(), "bucket", appendOnlyPolicy)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v.place(AccessKey, SecretKey), v.place("host", "host-secret")
}

// S3ObjectLock starts an S3 server with a bucket in which nobody, its owner included, removes a version for a day.
func S3ObjectLock(t testing.TB) Server {
	t.Helper()
	v := startVersions(t)
	err := v.client.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{ObjectLocking: true})
	if err == nil {
		mode, days, unit := minio.Compliance, uint(1), minio.Days
		err = v.client.SetBucketObjectLockConfig(t.Context(), "bucket", &mode, &days, &unit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v.place(AccessKey, SecretKey)
}

// versions is an S3 server that can keep old versions, without a bucket yet.
type versions struct {
	root, address string
	client        *minio.Client // as its owner
}

func startVersions(t testing.TB) versions {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"data", "versions", "iam"} {
		if err := os.Mkdir(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	gateway := script(t, "s3server.sh")
	address := Address(t).String()
	run(t, address, func() *exec.Cmd {
		cmd := exec.Command(gateway, "--quiet", "--keep-alive", "--port", address, "--iam-dir", root+"/iam", "posix", "--versioning-dir", root+"/versions", root+"/data")
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
		return cmd
	})
	client, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return versions{root: root, address: address, client: client}
}

// place is the server as somebody sees it who has a key.
func (v versions) place(access, secret string) Server {
	return Server{
		URL: "s3://http://" + v.address + "/bucket/davit", Dir: filepath.Join(v.root, "data", "bucket", "davit"), Home: v.root,
		Env: map[string]string{"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1"},
	}
}

// appendOnlyPolicy lets a host add, and takes nothing from the owner.
const appendOnlyPolicy = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Principal": {"AWS": ["host"]}, "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::bucket"]},
	{"Effect": "Allow", "Principal": {"AWS": ["host"]}, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::bucket/*"]}
]}`

const sshdConfig = `Port {port}
ListenAddress 127.0.0.1
HostKey {dir}/host
AuthorizedKeysFile {dir}/home/.ssh/id_ed25519.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp {sftp}
`

// SFTP starts an SSH server, with arguments for its internal-sftp. It needs root.
func SFTP(t testing.TB, arguments ...string) Server {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("optional: needs root to start sshd")
	}
	tree := script(t, "sshd.sh")
	dir := t.TempDir()
	at := Address(t)
	home := filepath.Join(dir, "home")
	for _, folder := range []string{filepath.Join(home, ".ssh"), filepath.Join(dir, "data")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{filepath.Join(dir, "host"), filepath.Join(home, ".ssh", "id_ed25519")} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{dir}", dir, "{port}", fmt.Sprint(at.Port), "{sftp}", strings.Join(arguments, " "))
	for name, text := range map[string]string{
		"sshd_config":           fill.Replace(sshdConfig),
		"home/.ssh/known_hosts": fmt.Sprintf("[127.0.0.1]:%d %s", at.Port, public),
		"passwd":                "root:x:0:0:root:" + home + ":/bin/sh\nsshd:x:65534:65534::/run/sshd:/bin/false\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The system's sshd may not be installed: its user and its folder are made up.
	address := at.String()
	p := run(t, address, func() *exec.Cmd {
		cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", `mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd &&
			mount --bind "$1/passwd" /etc/passwd && exec "$2/usr/sbin/sshd" -D -e -f "$1/sshd_config"`, "sh", dir, tree)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(tree, "usr", "lib"))
		return cmd
	})
	data := filepath.Join(dir, "data", "davit")
	return Server{URL: "sftp://root@" + address + data, Dir: data, Home: home, Env: map[string]string{}, process: p}
}

// script runs a script of the project that provides something and returns where that is.
func script(t testing.TB, name string) string {
	t.Helper()
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("find the project's folder: %v", err)
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(string(module)), "scripts", name))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, said.String())
	}
	return strings.TrimSpace(string(out))
}

// safeBuffer takes what a server says.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// process is a server that runs, or was killed.
type process struct {
	address string
	command func() *exec.Cmd
	running *exec.Cmd
	exited  chan struct{}
}

// run runs a server until the test ends.
func run(t testing.TB, address string, command func() *exec.Cmd) *process {
	t.Helper()
	p := &process{address: address, command: command}
	t.Cleanup(p.kill)
	p.start(t)
	return p
}

// kill ends it with all that it has started, and returns when nobody listens any more.
func (p *process) kill() {
	if p.running == nil {
		return
	}
	_ = syscall.Kill(-p.running.Process.Pid, syscall.SIGKILL)
	<-p.exited
	p.running = nil
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			return
		}
		conn.Close()
	}
}

// start starts it and waits until it listens.
func (p *process) start(t testing.TB) {
	t.Helper()
	said := &safeBuffer{}
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	p.running, p.exited = cmd, exited
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial("tcp", p.address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-exited:
			t.Fatalf("%s ended: %s", cmd.Args[0], said)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %s", cmd.Args[0], said)
		}
	}
}
