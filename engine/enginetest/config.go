package enginetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

func (d *Dockerd) containerdSocket() string { return filepath.Join(d.Dir, "c") }

func (d *Dockerd) writeConfig() error {
	conf := map[string]any{
		// Tests restart engines whose containers ignore SIGTERM.
		"shutdown-timeout": 1,
	}
	if d.opts.ContainerdStore {
		conf["features"] = map[string]any{"containerd-snapshotter": true}
	}
	if strings.HasPrefix(d.Version, "20.") {
		// The engine's identity; else all of them share one in /etc/docker.
		conf["deprecated-key-path"] = filepath.Join(d.Dir, "key.json")
	}
	maps.Copy(conf, d.opts.Config)
	data, err := json.MarshalIndent(conf, "", "\t")
	if err != nil {
		return fmt.Errorf("encode daemon.json: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.Dir, "daemon.json"), append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.Dir, "containerd.toml"), []byte(d.containerdConfig()), 0o600)
}

// containerdConfig leaves out the plugins that would use folders and sockets outside.
func (d *Dockerd) containerdConfig() string {
	off := []string{
		"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
		"io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.btrfs",
		"io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
	}
	return fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["%s"]
[grpc]
  address = %q
`, d.ContainerdRoot, filepath.Join(d.Dir, "state"), strings.Join(off, `", "`), d.containerdSocket())
}

func (d *Dockerd) dockerdArgs() []string {
	args := []string{
		"--config-file", filepath.Join(d.Dir, "daemon.json"),
		"--data-root", d.DataRoot,
		"--exec-root", filepath.Join(d.Dir, "exec"),
		"--pidfile", filepath.Join(d.Dir, "pid"),
		"--host", d.Host,
		// Without it dockerd would take a system containerd that happens to run, and
		// share its containers with the machine's engine.
		"--containerd", d.containerdSocket(),
		"--cgroup-parent", d.CgroupParent,
		"--exec-opt", "native.cgroupdriver=cgroupfs",
	}
	for _, h := range d.opts.Hosts {
		args = append(args, "--host", h)
	}
	return args
}

// environ is all an engine or a client gets to know of the test's environment.
func (d *Dockerd) environ() []string {
	return []string{
		"PATH=" + d.BinDir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + filepath.Join(d.Dir, "home"),
		"TMPDIR=" + filepath.Join(d.Dir, "tmp"),
		"DOCKER_CONFIG=" + filepath.Join(d.Dir, "home"),
		"DOCKER_HOST=" + d.Host,
		// Classic builds need neither a plugin nor a registry.
		"DOCKER_BUILDKIT=0",
		"LC_ALL=C.UTF-8",
	}
}
