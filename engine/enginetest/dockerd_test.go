package enginetest

import (
	"os"
	"strings"
	"testing"
)

// Every kind of engine starts, makes images, runs containers, survives a restart, and
// leaves nothing behind.
func TestStartDockerd(t *testing.T) {
	kinds := Kinds()
	kinds["any"] = DockerdOptions{}
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			NeedRoot(t)
			var d *Dockerd
			t.Run("work", func(t *testing.T) {
				d = StartDockerd(t, o)
				exercise(t, d)
			})
			if d != nil {
				requireGone(t, d)
			}
		})
	}
}

func exercise(t *testing.T, d *Dockerd) {
	t.Helper()
	if len(d.Host) >= 100 {
		t.Errorf("endpoint %s is %d bytes long", d.Host, len(d.Host))
	}
	if got := d.CLI(t, "version", "--format", "{{.Server.Version}}"); !strings.HasPrefix(got, d.Version) {
		t.Errorf("engine says version %s, want %s", got, d.Version)
	}
	d.MakeImage(t, "base:1", File{Name: "etc/motd", Content: "hello"})
	d.BuildLayers(t, "app:1", "base:1", "echo a > /a", "rm /a && echo b > /b")
	if got := d.CLI(t, "run", "--rm", "app:1", "cat", "/etc/motd", "/b"); got != "hellob" {
		t.Errorf("container says %q", got)
	}
	id := d.RunContainer(t, "--name", "web", "--restart", "always", "-v", "vol:/data", "-p", "8080:80", "--memory", "64m", "app:1")
	d.CLI(t, "pause", "web")
	if got := d.CLI(t, "inspect", "--format", "{{.Id}} {{.State.Status}}", "web"); got != id+" paused" {
		t.Errorf("container is %q, want %s paused", got, id)
	}
	d.CLI(t, "unpause", "web")
	d.Restart(t)
	if got := d.CLI(t, "inspect", "--format", "{{.State.Running}}", "web"); got != "true" {
		t.Errorf("after a restart of the engine running is %s", got)
	}
	d.Kill9(t)
	d.Start(t)
	// The test ends with a paused container, which cannot be killed as it is.
	d.CLI(t, "pause", "web")
}

func requireGone(t *testing.T, d *Dockerd) {
	t.Helper()
	if _, err := os.Stat(d.Dir); !os.IsNotExist(err) {
		t.Errorf("folder %s is still there: %v", d.Dir, err)
	}
	if _, err := os.Stat(netnsPath(d.Netns)); !os.IsNotExist(err) {
		t.Errorf("namespace %s is still there: %v", d.Netns, err)
	}
	s := &scratch{name: d.Netns}
	if got := s.cgroupDirs(); len(got) > 0 {
		t.Errorf("cgroups are still there: %v", got)
	}
	if got := s.processes(); len(got) > 0 {
		t.Errorf("processes are still there: %v", got)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), d.Netns) {
		t.Errorf("mounts of %s are still there", d.Netns)
	}
	if left, _ := os.ReadDir("/run/containerd/s"); len(left) > 0 {
		t.Logf("%d shim sockets in /run/containerd/s (other engines may run)", len(left))
	}
}
