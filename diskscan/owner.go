package diskscan

import (
	"cmp"
	"slices"
	"strings"
)

// Usage is how much something takes.
type Usage struct {
	Bytes    int64 `json:"bytes"`    // on disk
	Apparent int64 `json:"apparent"` // sizes of the files
	Inodes   int64 `json:"inodes"`
}

func (u *Usage) add(v Usage) {
	u.Bytes += v.Bytes
	u.Apparent += v.Apparent
	u.Inodes += v.Inodes
}

func (u Usage) minus(v Usage) Usage {
	return Usage{Bytes: u.Bytes - v.Bytes, Apparent: u.Apparent - v.Apparent, Inodes: u.Inodes - v.Inodes}
}

// Kind is what sort of thing an owner is. The values are part of the JSON output.
type Kind string

// The kinds of owners.
const (
	Image           Kind = "image"            // layers that only this image uses
	SharedLayers    Kind = "shared-layers"    // layers that several images use
	ImageContent    Kind = "image-content"    // an image's compressed layers and manifests in the containerd store
	SharedContent   Kind = "shared-content"   // the same for several images
	WritableLayer   Kind = "container"        // what a container wrote into its own file system
	ContainerFiles  Kind = "container-files"  // its configuration, checkpoints, hostname files
	Log             Kind = "log"              // what it printed
	Volume          Kind = "volume"           // named by somebody
	AnonymousVolume Kind = "anonymous-volume" // made by the engine for a container
	BuildCache      Kind = "build-cache"
	UnusedLayer     Kind = "unused-layer" // known to the engine, used by no image or container
	Leftover        Kind = "leftover"     // temporary files, half-deleted layers
	Swarm           Kind = "swarm"
	Plugin          Kind = "plugin"
	EngineFiles     Kind = "engine"     // its metadata
	ContainerdFiles Kind = "containerd" // its metadata, and what no image of Docker's needs there
	BindMount       Kind = "bind-mount" // a folder of the host that containers use
	Folder          Kind = "folder"     // no store, just a folder
	Unknown         Kind = "unknown"    // in a store, and nobody knows it
)

// Owner is what bytes are attributed to, and how many.
type Owner struct {
	Kind   Kind     `json:"kind"`
	Name   string   `json:"name"`
	ID     string   `json:"id,omitempty"`
	State  string   `json:"state,omitempty"`   // of a container: running, paused, exited…; of the rest: used, unused
	UsedBy []string `json:"used_by,omitempty"` // containers that use it, images that share it
	Path   string   `json:"path,omitempty"`    // one place where its bytes are
	Usage
	Held   int64  `json:"held_by_build_cache,omitempty"` // bytes that stay while the build cache holds the same layers
	Growth *int64 `json:"growth,omitempty"`              // bytes since the saved scan that the report names
}

// key tells owners apart, and orders them.
func (o *Owner) key() string { return string(o.Kind) + "\x00" + o.Name + "\x00" + o.ID }

// heldIf marks that the build cache holds the bytes as well. They are added up apart until the scan is over.
func (o Owner) heldIf(held bool) Owner {
	if held {
		o.Held = 1
	}
	return o
}

// bySize sorts the largest first, equal ones by name.
func bySize(owners []Owner) {
	slices.SortFunc(owners, func(a, b Owner) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Inodes, a.Inodes), strings.Compare(a.key(), b.key()))
	})
}
