//go:build integration

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// serviceHost is a host with this davit in it.
func serviceHost(t *testing.T) *enginetest.Host {
	t.Helper()
	return serviceHostWith(t, enginetest.HostOptions{})
}

func serviceHostWith(t *testing.T, o enginetest.HostOptions) *enginetest.Host {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "davit")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build davit: %v: %s", err, out)
	}
	h := enginetest.StartHostWith(t, o)
	h.Put(t, bin, "/usr/local/bin/davit")
	return h
}

// step is one command in a host and what it must answer.
type step struct {
	args   string
	code   int
	stdout string // must be in it; "" for nothing to look for
	stderr string
}

func (s step) run(t *testing.T, h *enginetest.Host) {
	t.Helper()
	stdout, stderr, code := h.Run(t, "sh", "-c", s.args)
	if code != s.code || !strings.Contains(stdout, s.stdout) || !strings.Contains(stderr, s.stderr) {
		t.Errorf("%s: exit code %d, want %d\nstdout: %swant: %s\nstderr: %swant: %s",
			s.args, code, s.code, stdout, s.stdout, stderr, s.stderr)
	}
}

// The service on a host with a real systemd: each command does what it says, says what it
// did, and tells the engine's own reason when it does not start.
func TestEngineServiceOnAHost(t *testing.T) {
	h := serviceHost(t)
	for _, s := range []step{
		{args: "davit engine status", stdout: "data-root: /var/lib/docker"},
		{args: "davit engine stop", stdout: "stopped docker.socket, docker.service\n"},
		{args: "docker ps", code: 1, stderr: "Cannot connect"}, // would start it if the socket were armed
		{args: "davit engine status", code: 13, stdout: "docker.service: inactive (dead)", stderr: "davit engine start starts it"},
		{args: "davit engine stop", stdout: "docker.service: stopped already\n"},
		{args: "davit engine reload", code: 1, stderr: "docker.service does not run"},
		{args: "davit engine start", stdout: "started docker.socket, docker.service, main pid"},
		{args: "docker ps"},
		{args: "davit engine start", stdout: "docker.service: started already\n"},
		{args: "davit engine reload", stdout: "reloaded docker.service"},
		{args: "davit engine restart", stdout: "restarted docker.service"},

		{args: "davit engine disable", stdout: "disabled docker.socket, docker.service\n"},
		{args: "systemctl is-enabled docker.socket docker.service", code: 1, stdout: "disabled\ndisabled\n"},
		{args: "davit engine disable --now", stdout: "docker.service: disabled already\nstopped docker.socket, docker.service\n"},
		{args: "davit engine enable --now", stdout: "enabled docker.service, docker.socket\nstarted docker.socket, docker.service"},
		{args: "systemctl is-enabled docker.socket docker.service", stdout: "enabled\nenabled\n"},

		{args: "mkdir -p /etc/docker && printf '{\\n  \"debug\": true,\\n}\\n' > /etc/docker/daemon.json"},
		{args: "davit engine restart", code: 1, stderr: "line 3, column 1"},
		{args: "docker ps"}, // it was not stopped
		{args: "davit engine reload", code: 1, stderr: "line 3, column 1"},
		{args: "davit engine stop"},
		{args: "davit engine start", code: 1, stderr: "start docker.service: unable to configure the Docker daemon with file /etc/docker/daemon.json"},
		{args: "davit engine status", code: 13, stdout: "warning: the engine would not start: read /etc/docker/daemon.json: line 3"},
		{args: "rm /etc/docker/daemon.json"},
		{args: "davit engine start", stdout: "started docker.service"},

		{args: "systemctl mask docker.service && davit engine stop", stdout: "stopped docker.socket, docker.service\n"},
		{args: "davit engine start", code: 1, stderr: "it is masked"},
		{args: "systemctl unmask docker.service && davit engine start", stdout: "started docker.socket, docker.service"},
		{args: "davit engine status --unit nothing", code: 1, stderr: "no unit nothing"},
	} {
		s.run(t, h)
	}
}

// The service on newer systems and engines, whose dockerd judges its configuration itself.
func TestEngineServiceOnNewerHosts(t *testing.T) {
	for _, o := range []enginetest.HostOptions{{Engine: "26.1"}, {Engine: "28.5"}, {Engine: "29"}} {
		t.Run(o.Engine, func(t *testing.T) {
			h := serviceHostWith(t, o)
			for _, s := range []step{
				{args: "davit engine status", stdout: "engine: " + o.Engine},
				{args: "davit engine stop", stdout: "stopped docker.socket, docker.service\n"},
				{args: "docker ps", code: 1, stderr: "Cannot connect"},
				{args: "davit engine status", code: 13, stdout: "docker.service: inactive (dead)"},
				{args: "davit engine start", stdout: "started docker.socket, docker.service, main pid"},
				{args: "davit engine reload", stdout: "reloaded docker.service"},
				{args: "davit engine restart", stdout: "restarted docker.service"},
				{args: "davit engine disable --now", stdout: "disabled docker.socket, docker.service\nstopped docker.socket, docker.service\n"},
				{args: "systemctl is-enabled docker.socket docker.service", code: 1, stdout: "disabled\ndisabled\n"},
				{args: "davit engine enable --now", stdout: "started docker.socket, docker.service"},
				{args: "mkdir -p /etc/docker && printf '{\n  \"debgu\": true\n}\n' > /etc/docker/daemon.json"}, // a key that dockerd does not know
				{args: "davit engine restart", code: 1, stderr: "debgu"},
				{args: "docker ps"}, // it was not stopped
				{args: "davit engine stop"},
				{args: "davit engine start", code: 1, stderr: "debgu"},
				{args: "rm /etc/docker/daemon.json"},
				{args: "davit engine start", stdout: "started docker.service"},
				{args: "docker ps"},
			} {
				s.run(t, h)
			}
		})
	}
}

// A unit that the manager has given up on starts when what ailed it is repaired, and until
// then its journal is shown.
func TestEngineStartLimit(t *testing.T) {
	h := serviceHost(t)
	h.Must(t, "sh", "-c", `cat > /etc/systemd/system/docker.service.d/zz.conf <<'X'
[Unit]
StartLimitIntervalSec=1h
StartLimitBurst=2
[Service]
RestartSec=100ms
X
systemctl daemon-reload; mkdir -p /etc/docker; echo '{"data-root": 1}' > /etc/docker/daemon.json`)
	h.Run(t, "sh", "-c", "systemctl restart docker; systemctl restart docker; systemctl restart docker")
	h.Must(t, "sh", "-c", "for i in $(seq 600); do systemctl is-failed --quiet docker && exit; sleep 0.1; done; exit 1")
	stdout, _, code := h.Run(t, "davit", "engine", "status", "--json")
	var st struct {
		State, Reason string
		Journal       []struct{ Message string }
	}
	if err := json.Unmarshal([]byte(stdout), &st); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if code != 13 || st.State != "failed" || !strings.Contains(st.Reason, "cannot unmarshal") || len(st.Journal) == 0 {
		t.Errorf("exit code %d, %+v", code, st)
	}
	h.Must(t, "rm", "/etc/docker/daemon.json")
	if _, _, code := h.Run(t, "systemctl", "start", "docker"); code == 0 {
		t.Error("the start limit does not hold: this test proves nothing")
	}
	step{args: "davit engine start", stdout: "started docker.socket, docker.service"}.run(t, h)
}

// A container that runs with --rm is not deleted by a stop that was not told to.
func TestEngineStopAndLoss(t *testing.T) {
	h := serviceHost(t)
	h.Must(t, "sh", "-c", `mkdir /tmp/img && cp /bin/busybox /tmp/img/ && tar -C /tmp/img -c . | docker import - bb &&
docker run -d --rm --name gone --network none -v /data bb /busybox sleep 1000 && docker run -d --name kept --network none bb /busybox sleep 1000`)
	for _, s := range []step{
		{args: "davit engine stop", code: 1, stderr: "containers that run with --rm, and their anonymous volumes: gone"},
		{args: "davit engine restart", code: 1, stderr: "--rm"},
		{args: "davit engine disable --now", code: 1, stderr: "--rm"},
		{args: "systemctl is-enabled docker.service", stdout: "enabled"},
		{args: "docker inspect -f '{{.State.Running}}' gone kept", stdout: "true\ntrue\n"},
		{args: "davit engine restart --allow-rm-loss", stdout: "restarted docker.service"},
		{args: "docker inspect gone", code: 1},
		{args: "davit engine stop", stdout: "stopped docker.socket, docker.service"},
	} {
		s.run(t, h)
	}
}

// Whoever may not start services is told so; without an engine of the user, the host's is meant.
func TestEngineWithoutRoot(t *testing.T) {
	h := serviceHost(t)
	as := "setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/nonexistent "
	for _, s := range []step{
		{args: as + "davit engine status --json", code: 13, stdout: `"state":"active"`}, // the engine's socket is not for everybody
		{args: as + "davit engine stop --allow-rm-loss", code: 1, stderr: "not permitted\nhint: run it as root"},
		{args: as + "davit engine start --user", code: 1, stderr: "connect to the user's systemd"},
		{args: "docker ps"},
	} {
		s.run(t, h)
	}
}

// The engine of a user is run by the user's own manager, without any bus.
func TestEngineOfAUser(t *testing.T) {
	h := serviceHost(t)
	h.Must(t, "sh", "-c", `useradd -m -u 1000 ann && mkdir -p /run/user/1000 /home/ann/.config/systemd/user &&
cat > /home/ann/.config/systemd/user/docker.service <<'X'
[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep 1000'
[Install]
WantedBy=default.target
X
chown -R ann: /home/ann /run/user/1000 && systemd-run -q -u um --uid=1000 --gid=1000 -p Delegate=yes -E XDG_RUNTIME_DIR=/run/user/1000 -E HOME=/home/ann /lib/systemd/systemd --user &&
for i in $(seq 600); do [ -S /run/user/1000/systemd/private ] && exit; sleep 0.1; done; exit 1`)
	as := "setpriv --reuid ann --regid ann --clear-groups env -u XDG_RUNTIME_DIR HOME=/home/ann davit engine "
	for _, s := range []step{
		{args: as + "status", code: 13, stdout: "docker.service: inactive (dead)"},
		{args: as + "start", stdout: "started docker.service, main pid"},
		{args: as + "status --json", code: 13, stdout: `"config_file":"/home/ann/.config/docker/daemon.json"`},
		{args: as + "enable", stdout: "enabled docker.service"},
		{args: "ls /home/ann/.config/systemd/user/default.target.wants/docker.service"},
		{args: as + "stop --allow-rm-loss", stdout: "stopped docker.service"},
		{args: "docker ps"}, // the host's engine was not meant
	} {
		s.run(t, h)
	}
}
