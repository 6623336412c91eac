package enginetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// DockerdOptions choose an engine.
type DockerdOptions struct {
	Version         string         // "": the quickest to have; "20.10", "28.5"
	ContainerdStore bool           // keep images in containerd's store; needs "28.5"
	Config          map[string]any // more keys of daemon.json
	Hosts           []string       // more endpoints, "tcp://…" in its network namespace
	Disk            string         // folder whose file system it shall live on; "": of its own, in memory
}

// Dockerd is a private engine: a dockerd and the containerd it uses. Its methods are
// for the test's goroutine.
type Dockerd struct {
	Host           string // endpoint, "unix:///…", short
	Dir            string // everything of this engine is below it
	DataRoot       string
	ContainerdRoot string
	Netns          string // name of its network namespace, for nsenter --net=/run/netns/…
	CgroupParent   string // of its containers, "/…"
	BinDir         string // its binaries
	Version        string // "20.10.24"
	LogFile        string // what dockerd wrote

	opts       DockerdOptions
	containerd *exec.Cmd
	dockerd    *exec.Cmd
	exited     chan struct{} // closed when dockerd has ended
}

// StartDockerd starts a private engine and ends it with the test: containers, mounts,
// namespace, cgroups and files. It needs root; see the package for what happens without.
func StartDockerd(t testing.TB, o DockerdOptions) *Dockerd {
	t.Helper()
	NeedRoot(t)
	bin, version, err := provide(o.Version)
	if err != nil {
		t.Fatalf("provide a Docker Engine: %v", err)
	}
	s, err := newScratch(t, o.Disk)
	if err != nil {
		t.Fatalf("make a folder for a Docker Engine: %v", err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Errorf("clean up after the Docker Engine: %v", err)
		}
	})
	d := &Dockerd{
		Host:           "unix://" + filepath.Join(s.dir, "s"),
		Dir:            s.dir,
		DataRoot:       filepath.Join(s.dir, "data"),
		ContainerdRoot: filepath.Join(s.dir, "containerd"),
		Netns:          s.name,
		CgroupParent:   "/" + s.name,
		BinDir:         bin,
		Version:        version,
		LogFile:        filepath.Join(s.dir, "dockerd.log"),
		opts:           o,
	}
	if err := d.prepare(); err != nil {
		t.Fatalf("prepare a Docker Engine: %v", err)
	}
	if err := d.startContainerd(); err != nil {
		t.Fatalf("start containerd: %v", err)
	}
	d.Start(t)
	return d
}

// prepare makes the folders, the namespace and the configuration.
func (d *Dockerd) prepare() error {
	for _, dir := range []string{"tmp", "home", "exec", "state"} {
		if err := os.Mkdir(filepath.Join(d.Dir, dir), 0o700); err != nil {
			return err
		}
	}
	if err := addNetns(d.Netns); err != nil {
		return err
	}
	return d.writeConfig()
}
