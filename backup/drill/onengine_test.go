//go:build integration

package drill

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/engine/enginetest"
)

// onlooker looks at what a drill runs, just before it is removed.
type onlooker struct {
	backup.NoReporter
	look func()
}

func (o onlooker) Item(name string) {
	if strings.HasPrefix(name, "remove") {
		o.look()
	}
}

// Containers that own their host are saved; what the drill makes of them, as the engine has it, owns nothing.
func TestHostileOnEngine(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "shop/data:1")
	dir := filepath.Join(h.disk, "device")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "file"), []byte("mine"), 0o644)); err != nil {
		t.Fatal(err)
	}
	h.CLI(t, "volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device="+dir, "bound")
	socket := strings.TrimPrefix(h.Host, "unix://")
	h.RunContainer(t, "--name", "boss", "--init", "--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host",
		"--device", "/dev/null:/dev/mine", "--security-opt", "seccomp=unconfined", "--cap-add", "SYS_ADMIN", "--restart", "always",
		"-v", socket+":/var/run/docker.sock", "-v", "/:/host", "-v", "bound:/bound", "shop/data:1", "sh", "-c", "echo more >> /bound/file; exec sleep 3600")
	h.RunContainer(t, "--name", "mate", "--init", "-p", "127.0.0.1:18081:80", "shop/data:1", "sh", "-c", "exec sleep 3600")
	h.save(t, backup.Selection{Containers: []string{"boss", "mate"}})
	before, err := os.ReadFile(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	h.env.Reporter = onlooker{look: func() { seen = h.lookAtScratch(t) }}
	defer func() { h.env.Reporter = nil }()
	report, err := h.drill(t, Options{Probes: []Probe{
		mustProbe(t, "boss=grep -c more /bound/file | grep 2 && ! test -e /var/run/docker.sock && ! test -e /host/etc && ping -c 1 -W 2 127.0.0.1 && ! ping -c 1 -W 1 172.17.0.1 && ! ping -c 1 -W 1 172.18.0.1"),
	}})
	if err != nil || seen != 2 {
		t.Errorf("%v, %d seen: %+v", err, seen, report.Checks)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(after) != string(before) {
		t.Errorf("the original's device held %q and holds %q, %v", before, after, err)
	}
	h.CLI(t, "rm", "-f", "boss", "mate")
}

// What is decided ends the wait, however long that may be: a probe that fails and fails, a container that ends and is started
// again, and one that ends while it is asked. A probe that cannot tell yet is asked for longer.
func TestDecided(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "app:1")
	dir := filepath.Join(h.disk, "state-of-app")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.RunContainer(t, "--name", "app", "--init", "--restart", "always", "-v", dir+":/data", "app:1", "sh", "-c",
		"[ ! -e /data/broken ] || exit 7; [ ! -e /data/brief ] || exec sleep 4; exec sleep 3600")
	h.save(t, backup.Selection{Containers: []string{"app"}})
	o := Options{Timeout: 5 * time.Minute, Patience: 2 * time.Second}
	fails := func(o Options, check, detail string) {
		t.Helper()
		began := time.Now()
		report, err := h.drill(t, o)
		var failed *FailedError
		c := report.find(check, "container/app")
		if !errors.As(err, &failed) || len(c) != 1 || !strings.Contains(c[0].Detail, detail) || time.Since(began) > time.Minute {
			t.Errorf("after %v: %v: %+v", time.Since(began), err, report.Checks)
		}
	}
	o.Probes = []Probe{mustProbe(t, "app=echo no; exit 3")}
	fails(o, "probe", "ended with exit code 3: no")
	o.Probes = []Probe{mustProbe(t, "app=sleep 1; echo x >> /tmp/n; [ $(wc -l < /tmp/n) -gt 4 ] || exit 75")}
	if report, err := h.drill(t, o); err != nil {
		t.Errorf("a probe that says that it cannot tell yet: %v: %+v", err, report.Checks)
	}
	for file, want := range map[string][2]string{"broken": {"start", "it ended with exit code 7"}, "brief": {"probe", "the container has ended"}} {
		h.mark(t, dir, file)
		o.Probes = []Probe{mustProbe(t, "app=sleep 2; exit 75")}
		fails(o, want[0], want[1])
	}
}

// mark saves the container with one more file in its folder, and takes the file away again.
func (h *realHost) mark(t *testing.T, dir, file string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.save(t, backup.Selection{Containers: []string{"app"}})
	if err := os.Remove(filepath.Join(dir, file)); err != nil {
		t.Fatal(err)
	}
}

// lookAtScratch looks at the containers and networks of a drill as the engine has them.
func (h *realHost) lookAtScratch(t *testing.T) (containers int) {
	filter := []string{"--filter", "label=davit.drill", "-q", "--no-trunc"}
	for id := range strings.FieldsSeq(h.CLI(t, append([]string{"ps", "-a"}, filter...)...)) {
		containers++
		got := h.CLI(t, "inspect", "-f", `{{.HostConfig.Privileged}} {{.HostConfig.CapAdd}} {{.HostConfig.Devices}} {{.HostConfig.PortBindings}} `+
			`{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.PidMode}} {{.HostConfig.UTSMode}} {{.HostConfig.SecurityOpt}} `+
			`{{len .HostConfig.MaskedPaths}} {{.HostConfig.Runtime}} {{range .Mounts}}{{.Type}}:{{slice .Name 0 11}}{{end}}`, id)
		for _, want := range []string{"false [] [] map[] no   [] ", " runc "} {
			if !strings.Contains(got, want) {
				t.Errorf("a scratch container is %q", got)
			}
		}
		if strings.Contains(got, "bind:") || strings.Contains(got, " 0 runc") {
			t.Errorf("a scratch container is %q", got)
		}
	}
	addresses, err := exec.Command("nsenter", "--net=/run/netns/"+h.Netns, "ip", "-4", "-o", "addr").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, addresses)
	}
	for id := range strings.FieldsSeq(h.CLI(t, append([]string{"network", "ls"}, filter...)...)) {
		gateway := h.CLI(t, "network", "inspect", "-f", "{{.Internal}} {{range .IPAM.Config}}{{.Gateway}}{{end}}", id)
		address, internal := strings.CutPrefix(gateway, "true ")
		if !internal || strings.Contains(string(addresses), address+"/") {
			t.Errorf("network: %s; the host has %s", gateway, addresses)
		}
	}
	return containers
}
