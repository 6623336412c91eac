package engine

import "encoding/json"

// Info is what an engine says about itself.
type Info struct {
	ID                string // the engine's own identity, survives restarts
	Name              string // its host name
	Version           string // "28.5.2"
	APIVersion        string // as negotiated, "1.51"
	DataRoot          string
	Driver            string // storage driver: "overlay2", "overlayfs" with the containerd store
	ContainerdAddress string // its containerd socket on the engine's host, "" when not told
	ContainerdRoot    string // where that containerd keeps images and snapshots; "" when it cannot be found out
	OS                string // "linux"
	OperatingSystem   string // "Debian GNU/Linux 12 (bookworm)", "Docker Desktop"
	Arch              string // "x86_64"
	CgroupVersion     string
	ContainerdStore   bool // images are kept by containerd's store, not by a graph driver
	LiveRestore       bool
	Swarm             bool // the engine is an active swarm node
	SwarmManager      bool // and manages the swarm
	Containers        int  // in any state
	Rootless          bool
	UserNS            bool // containers run in a remapped user namespace
	Warnings          []string
}

// Container is one container with what its inspect document says.
type Container struct {
	ID      string
	Name    string // without the leading slash
	Image   string // as given at creation, "postgres:16"
	ImageID string

	Running    bool // also true while paused, as docker counts
	Paused     bool
	Restarting bool
	AutoRemove bool // --rm: stopping it removes it and its anonymous volumes
	Swarm      bool // a task of a swarm service

	Labels    map[string]string // with those inherited from the image
	Mounts    []Mount           // sorted by destination
	Project   string            // compose project
	Service   string            // compose service
	DependsOn []string          // compose services of the same project, sorted

	SizeRw   int64  // bytes in the writable layer; -1 when not asked for
	UpperDir string // writable layer on the engine's host; "" when unknown or not overlay
	Pid      int    // of its first process on the engine's host, 0 when not running

	Raw json.RawMessage // the inspect document
}

// Mount is one mount of a container.
type Mount struct {
	Type        string // bind, volume, tmpfs, npipe, cluster, image
	Name        string // of the volume
	Source      string // path on the engine's host
	Destination string // path in the container
	Driver      string // of the volume
	RW          bool
}

// Volume is one volume.
type Volume struct {
	Name       string
	Driver     string
	Mountpoint string // path on the engine's host
	Scope      string // local, global
	Labels     map[string]string
	Options    map[string]string // driver options: type, device, o…
	Anonymous  bool              // made by the engine for a container, nobody named it
	Raw        json.RawMessage
}

// Image is one image.
type Image struct {
	ID       string   // "sha256:…"
	Tags     []string // name:tag, sorted
	Digests  []string // name@sha256:…, sorted
	Size     int64    // bytes, as the engine counts
	DiffIDs  []string // digests of the uncompressed layers, lowest first
	Labels   map[string]string
	OS, Arch string
	Raw      json.RawMessage // the inspect document, not the image's config
}

// Network is one network.
type Network struct {
	ID         string
	Name       string
	Driver     string
	Scope      string
	Labels     map[string]string
	Predefined bool // bridge, host, none: every engine has it, none can be made or removed
	Raw        json.RawMessage
}
