package enginetest

import "testing"

// DockerdOptions choose an engine.
type DockerdOptions struct {
	Version         string // "": the quickest to have; "20.10", "28.5"
	ContainerdStore bool   // keep images in containerd's store (28.5)
}

// Dockerd is a private engine.
type Dockerd struct {
	Host     string // endpoint, "unix:///…"
	DataRoot string
	Dir      string // everything of this engine is below it
	Netns    string // name of its network namespace
	BinDir   string // its binaries
	Version  string // as it says itself, "20.10.24"
}

// StartDockerd starts a private engine that ends with the test.
func StartDockerd(t testing.TB, o DockerdOptions) *Dockerd {
	t.Helper()
	t.Fatal("not there yet")
	return nil
}
