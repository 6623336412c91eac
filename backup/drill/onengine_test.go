//go:build integration

package drill

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
