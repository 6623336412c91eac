package engine_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/enginetest"
)

// Every way not to reach an engine has its reason, and a way out where there is one.
func TestUnreachable(t *testing.T) {
	for _, c := range []struct {
		name, reason, hint string
		endpoint           func(t *testing.T) string
	}{
		{"no socket", "no socket /", "is Docker installed", func(*testing.T) string { return "unix:///proc/self/none" }},
		{"refused", "connection refused", "nothing listens", deadSocket},
		{"refused tcp", "connection refused", "nothing listens", func(t *testing.T) string {
			l := listen(t, "tcp", "127.0.0.1:0")
			l.Close()
			return "tcp://" + l.Addr().String()
		}},
		{"silent", "timeout: it accepts connections", "", func(t *testing.T) string {
			return "tcp://" + listen(t, "tcp", "127.0.0.1:0").Addr().String()
		}},
		{"no such host", "no-such-host", "", func(*testing.T) string { return "tcp://no-such-host.invalid:2375" }},
		{"too old", "it speaks API 1.40", "upgrade", func(t *testing.T) string {
			return enginetest.FakeAPI(t, ping("1.40", http.StatusOK))
		}},
		{"another server", "not a Docker Engine", "", func(t *testing.T) string {
			return enginetest.FakeAPI(t, ping("", http.StatusOK))
		}},
		{"sick", "500 Internal Server Error", "", func(t *testing.T) string {
			return enginetest.FakeAPI(t, ping("1.41", http.StatusInternalServerError))
		}},
		{"ssh", "ssh", "ssh", func(*testing.T) string { return "ssh://nobody@127.0.0.1:1" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpoint := c.endpoint(t)
			patience := time.Minute
			if c.name == "silent" || c.name == "no such host" { // resolvers may be silent, too
				patience = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			e, err := engine.Connect(ctx, engine.Target{Host: endpoint, ConfigDir: t.TempDir()})
			if err == nil {
				e.Close()
				t.Fatal("connected")
			}
			var u *engine.UnreachableError
			if !errors.As(err, &u) {
				t.Fatalf("error %T %v, want UnreachableError", err, err)
			}
			if u.Endpoint != endpoint || !strings.Contains(u.Reason, c.reason) {
				t.Errorf("endpoint %s, reason %q; want %s, %q", u.Endpoint, u.Reason, endpoint, c.reason)
			}
			if (c.hint == "") != (u.Hint == "") || !strings.Contains(u.Hint, c.hint) {
				t.Errorf("hint %q, want %q", u.Hint, c.hint)
			}
			if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("error has more than one line: %q", err)
			}
		})
	}
}

const asUserEnv = "DAVIT_TEST_ENDPOINT"

// Without the permission to open the socket the group that has it is named. The test runs
// itself again as a user without rights.
func TestUnreachablePermission(t *testing.T) {
	if endpoint := os.Getenv(asUserEnv); endpoint != "" {
		_, err := engine.Connect(t.Context(), engine.Target{Host: endpoint, ConfigDir: "/proc/self/none"})
		var u *engine.UnreachableError
		if !errors.As(err, &u) || u.Reason != "permission denied" || !strings.Contains(u.Hint, "join the group daemon") {
			t.Fatalf("error %v, %+v", err, u)
		}
		return
	}
	enginetest.NeedRoot(t)
	endpoint := enginetest.FakeAPI(t, ping("1.41", http.StatusOK))
	socket := strings.TrimPrefix(endpoint, "unix://")
	if err := errors.Join(os.Chown(socket, 0, 1), os.Chmod(socket, 0o660)); err != nil {
		t.Fatal(err)
	}
	// The go command's folder is closed to others.
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(filepath.Dir(socket), "test")
	if err := errors.Join(os.WriteFile(copied, self, 0o755), os.Chmod(copied, 0o755)); err != nil { // whatever the umask
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run=^TestUnreachablePermission$", "-test.v")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), asUserEnv+"="+endpoint)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// An engine that vanishes later is told in the same way.
func TestVanished(t *testing.T) {
	endpoint := enginetest.FakeAPI(t, ping("1.41", http.StatusOK))
	e, err := engine.Connect(t.Context(), engine.Target{Host: endpoint, ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.Close()
	if err := os.Remove(strings.TrimPrefix(endpoint, "unix://")); err != nil {
		t.Fatal(err)
	}
	_, err = e.Containers(t.Context())
	var u *engine.UnreachableError
	if !errors.As(err, &u) || !strings.Contains(u.Reason, "no socket") {
		t.Errorf("error %v, want no socket", err)
	}
}

// A caller that gives up gets its own reason back.
func TestConnectCanceled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	_, err := engine.Connect(ctx, engine.Target{Host: enginetest.FakeAPI(t, ping("1.41", http.StatusOK)), ConfigDir: t.TempDir()})
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
}

func ping(version string, status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if version != "" {
			w.Header().Set("Api-Version", version)
		}
		if r.URL.Path != "/_ping" {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
	})
}

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// deadSocket is a socket that nobody listens at any more.
func deadSocket(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s")
	l := listen(t, "unix", file)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	return "unix://" + file
}
