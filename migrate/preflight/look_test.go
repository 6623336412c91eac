package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/hostfs"
)

func now() time.Time { return time.Unix(1700000000, 0) }

func mountsNow() ([]hostfs.Mount, error) { return hostfs.Mounts() }

// fakeDocker is an engine that says what it was told to say.
type fakeDocker struct {
	info       engine.Info
	remote     string
	containers []engine.Container
	volumes    []engine.Volume
	err        error
}

func (d *fakeDocker) Endpoint() string { return "unix:///run/docker.sock" }

func (d *fakeDocker) Local(context.Context) (bool, string) { return d.remote == "", d.remote }

func (d *fakeDocker) Info(context.Context) (engine.Info, error) { return d.info, d.err }

func (d *fakeDocker) Containers(context.Context) ([]engine.Container, error) {
	return d.containers, d.err
}

func (d *fakeDocker) Volumes(context.Context) ([]engine.Volume, error) { return d.volumes, d.err }

// What cannot be surveyed ends with one refusal that says why.
func TestLookStopsEarly(t *testing.T) {
	for name, row := range map[string]struct {
		host  Host
		check string
	}{
		"not root":    {Host{EUID: 1000, Units: fakeUnits{}, Docker: &fakeDocker{}}, "root"},
		"no systemd":  {Host{Docker: &fakeDocker{}}, "systemd"},
		"unreachable": {Host{Units: fakeUnits{}, Reach: errors.New("no such file")}, "engine"},
		"dies":        {Host{Units: fakeUnits{}, Docker: &fakeDocker{err: errors.New("EOF")}}, "engine"},
		"remote":      {Host{Units: fakeUnits{}, Docker: &fakeDocker{remote: "it is reached over tcp"}}, "local"},
		"no unit":     {Host{Units: fakeUnits{}, Docker: &fakeDocker{}}, "unit"},
	} {
		t.Run(name, func(t *testing.T) {
			row.host.Now = now
			s, err := Look(context.Background(), row.host, Request{To: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Findings) != 1 || s.Findings[0].Check != row.check || !s.Refused() || s.Findings[0].Hint == "" {
				t.Errorf("%+v", s.Findings)
			}
		})
	}
}

func TestLookEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Look(ctx, Host{Units: fakeUnits{}, Docker: &fakeDocker{}, Now: now}, Request{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestReadContainers(t *testing.T) {
	raw := `{"Id": "1", "Name": "/web", "State": {"Status": "running", "Running": true},
		"HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}, "StorageOpt": {"size": "1G"}}, "Config": {"StopTimeout": 90},
		"NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": null}},
		"Mounts": [{"Type": "bind", "Source": "/var/lib/docker/containers", "Destination": "/logs", "RW": false},
			{"Type": "volume", "Name": "bound", "Source": "/var/lib/docker/volumes/bound/_data", "Destination": "/d", "RW": true},
			{"Type": "volume", "Name": "own", "Source": "/var/lib/docker/volumes/own/_data", "Destination": "/o", "RW": true},
			{"Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": true}]}`
	c, err := engine.ParseContainer(json.RawMessage(raw))
	if err != nil {
		t.Fatal(err)
	}
	f := good()
	f.volumes = []engine.Volume{{Name: "bound", Options: map[string]string{"o": "bind", "device": "/var/lib/docker/x", "type": "none"}}}
	if err := f.readContainers(context.Background(), Host{Docker: &fakeDocker{containers: []engine.Container{c}}}, Request{Hold: true}); err != nil {
		t.Fatal(err)
	}
	got := f.containers[0]
	if got.Name != "web" || got.Policy != "unless-stopped" || got.StopSecs != 90 || !got.Quota || got.Back != BackStarted ||
		strings.Join(got.Published, " ") != "0.0.0.0:8080->80/tcp" {
		t.Errorf("%+v", got)
	}
	if len(f.binds) != 2 || f.binds[0].source != "/var/lib/docker/x" && f.binds[1].source != "/var/lib/docker/x" {
		t.Errorf("%+v", f.binds)
	}
}

func TestOtherClients(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"moby/1", "k8s.io/2", "default"} {
		if err := os.MkdirAll(dir+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(otherClients(dir), " "); got != "k8s.io" {
		t.Error(got)
	}
}
