//go:build integration

package diskscan_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// What a swarm and plugins take is theirs, with the archive that a plugin was unpacked from; nothing of it is unknown.
func TestSwarmAndPlugins(t *testing.T) {
	for name, options := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			d := enginetest.StartDockerd(t, options)
			enginetest.InitSwarm(t, d)
			d.MakeImage(t, "app:1")
			makePlugin(t, d, "vendor/plugin:1", 700_000)
			d.CLI(t, "service", "create", "--name", "web", "--detach", "--no-resolve-image", "--restart-condition", "none", "app:1")
			waitFor(t, "a task", func() bool { return d.CLI(t, "ps", "--quiet") != "" })
			stores := diskscan.StoresAt(d.DataRoot, d.ContainerdRoot)
			var report *diskscan.Report
			waitFor(t, "a swarm's state of some size", func() bool {
				report = survey(t, &diskscan.Survey{Stores: stores})
				o := ownerOf(report, diskscan.Swarm, "state")
				return o != nil && o.Bytes > 50_000
			})
			if o := ownerOf(report, diskscan.Plugin, "vendor/plugin:1"); o == nil || o.Bytes < 1_400_000 {
				t.Errorf("the plugin and its archive are not in\n%s", show(report))
			}
			if i := slices.IndexFunc(report.Owners, func(o diskscan.Owner) bool {
				return o.Kind == diskscan.WritableLayer && strings.HasPrefix(o.Name, "web.1.") && o.State == "running"
			}); i < 0 {
				t.Errorf("no task of the service in\n%s", show(report))
			}
			for _, o := range report.Owners {
				if o.Kind == diskscan.Unknown || o.Kind == diskscan.UnusedLayer {
					t.Errorf("%s: %+v", o.Kind, o)
				}
			}
		})
	}
}

// makePlugin makes a plugin with a file of size bytes. It is never enabled.
func makePlugin(t *testing.T, d *enginetest.Dockerd, name string, size int) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "rootfs"), 0o755))
	noise := make([]byte, size)
	_, _ = rand.Read(noise)
	must(t, os.WriteFile(filepath.Join(dir, "rootfs", "plugin"), noise, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"description":"for a test","entrypoint":["/plugin"],`+
		`"interface":{"types":["docker.volumedriver/1.0"],"socket":"plugin.sock"}}`), 0o600))
	d.CLI(t, "plugin", "create", name, dir)
}
