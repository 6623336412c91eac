package drill

import (
	"time"

	"davit/backup"
	"davit/backup/archive"
	"davit/backup/repo"
)

// Plan is what a drill will do. It is made by Make, can be printed or written as JSON, and is carried out by Run, unless
// Refused names reasons not to.
type Plan struct {
	Version      int                `json:"version"`
	Run          string             `json:"run"` // id of the run, part of every name
	Snapshot     Snapshot           `json:"snapshot"`
	Volumes      []Volume           `json:"volumes"`
	Images       []Image            `json:"images"`
	Networks     []Network          `json:"networks"`
	Containers   []Container        `json:"containers"` // in the order in which they are started
	Documents    int                `json:"documents"`  // definitions that are read
	Room         Room               `json:"room"`
	TargetRTO    float64            `json:"target_rto_seconds,omitempty"`
	TargetRPO    float64            `json:"target_rpo_seconds,omitempty"`
	NotRehearsed []NotRehearsed     `json:"not_rehearsed"`
	Notes        []string           `json:"notes"`
	Refused      []backup.Refusal   `json:"refused"`
	Options      Options            `json:"-"`
	snapshot     repo.Snapshot      // as it was read
	levels       [][]*Container     // of Containers: each needs only those of levels before it
	documents    []repo.Item        // definitions and images that are read to their end
	bytes        int64              // that are restored
	labels       map[string]ownedBy // by container
}

// ownedBy is what a container's labels say: those that were saved may be the image's.
type ownedBy struct {
	given, saved map[string]string
	imageID      string
}

// Snapshot says which snapshot is rehearsed.
type Snapshot struct {
	ID          string    `json:"id"`
	Digest      string    `json:"digest"` // of the snapshot's index: it names all that the snapshot holds
	Repository  string    `json:"repository"`
	Encrypted   bool      `json:"encrypted"`
	Time        time.Time `json:"time"`
	Host        string    `json:"host"`
	Job         string    `json:"job,omitempty"`
	Complete    bool      `json:"complete"`
	Consistency string    `json:"consistency,omitempty"`
	Engine      string    `json:"engine,omitempty"` // version that it was made with
	Davit       string    `json:"davit,omitempty"`
}

// Volume is a scratch volume.
type Volume struct {
	Item    string `json:"item"`           // KIND/NAME that it is filled from; "" for one that is only mounted
	Path    string `json:"path,omitempty"` // only this path of the item
	Of      string `json:"of"`             // name of the original: a volume, or a folder or file of the host
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Entries int64  `json:"entries"`

	item repo.Item
}

// Image is an image that containers need.
type Image struct {
	Name   string `json:"name"`           // as the container's definition says
	ID     string `json:"id"`             // in the engine that it was saved from
	Action string `json:"action"`         // ImageUse or ImageLoad
	Item   string `json:"item,omitempty"` // of ImageLoad
	Tag    string `json:"tag,omitempty"`  // scratch
	Bytes  int64  `json:"bytes,omitempty"`

	image archive.ImageItem
}

// What is done with an image.
const (
	ImageUse  = "use"  // the engine has it already
	ImageLoad = "load" // from the snapshot, and removed afterwards
)

// Network is a scratch network. It is internal, whatever the original was.
type Network struct {
	Of   string `json:"of"`
	Name string `json:"name"`
}

// Container is a scratch container.
type Container struct {
	Of      string   `json:"of"`
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Start   bool     `json:"start"`   // it ran when it was saved
	Changes []string `json:"changes"` // what of its definition is left out or replaced
	Probes  []Probe  `json:"probes"`

	scratch  *definition
	restarts bool // its policy would start it again when it ends
}

// NotRehearsed is something that a drill does not prove.
type NotRehearsed struct {
	Item   string `json:"item"`
	Reason string `json:"reason"`
	// Lost says that a restore could not bring it back either, from this snapshot alone.
	Lost bool `json:"lost,omitempty"`
}

// Room is what a drill needs on the engine's disk.
type Room struct {
	Path       string `json:"path"` // the engine's data-root
	Bytes      int64  `json:"bytes"`
	Inodes     int64  `json:"inodes"`
	Free       uint64 `json:"free_bytes"`
	FreeInodes uint64 `json:"free_inodes"`
}
