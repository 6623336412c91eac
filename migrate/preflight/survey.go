package preflight

import (
	"time"
)

// Names of stores, and what a Request may ask for.
const (
	StoreDataRoot   = "data-root"
	StoreContainerd = "containerd"
	StoreAll        = "all" // both; only for requests
)

// Request is what the operator asked for.
type Request struct {
	To             string   // absolute, clean path; see Store.To
	Store          string   // StoreDataRoot, StoreContainerd, StoreAll; "": whatever the engine keeps its data in
	Method         string   // "copy", "reflink", "rename"; "": the best there is
	AllowRmLoss    bool     // containers with --rm may be lost
	AllowUnmounted bool     // the destination need not be mounted at boot
	WriteMountUnit bool     // the run writes a mount unit for the destination
	BytesPerSecond int64    // limit of the copy; 0: none
	Own            []string // paths that an unfinished migration of ours may have filled
	Hold           bool     // containers are held until the inventory was compared
	MaxDowntime    time.Duration
	StateDir       string // where the journal will be; real, "": not known
	Exe            string // davit itself, which units will run; real, "": not known
}

// Level is how grave a finding is.
type Level string

// The levels. One refusal is enough not to run.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Refusal Level = "refusal"
)

// Finding is one judgement in plain words.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"` // a stable word for programs: "destination-empty"
	What  string `json:"what"`  // one line
	Hint  string `json:"hint,omitempty"`
}

// ConfiguredBy is where the place of a store is written, which is what has to change for it to move.
type ConfiguredBy struct {
	Kind     string `json:"kind"`               // one of the By constants
	File     string `json:"file,omitempty"`     // that holds it, or that is to be made: see Kind
	Line     int    `json:"line,omitempty"`     // from 1, of flags
	Flag     string `json:"flag,omitempty"`     // as written: "--data-root", "-g"
	Variable string `json:"variable,omitempty"` // of the environment, when the flag comes by one
	Unit     string `json:"unit,omitempty"`     // of the process
	// Arguments of the running process, its own name first. A drop-in that replaces ExecStart starts from
	// Exec, which has variables as they are written in the unit.
	Args []string `json:"args,omitempty"`
	Exec []string `json:"exec,omitempty"`
}

// Where the place of a store can be written.
const (
	ByDefault    = "default"           // nowhere; File is the configuration file that is read, there or not
	ByFile       = "daemon.json"       // File has the key data-root
	ByFlag       = "flag"              // File (unit or drop-in) has the flag on Line
	ByVariable   = "variable"          // File (environment file or unit) has it in Variable, which ExecStart uses
	ByContainerd = "containerd-config" // File is containerd's configuration file, with or without the key root
	ByProcess    = "process"           // a flag of the running process that no unit or drop-in shows: nothing to edit
)

// Store is one tree to move.
type Store struct {
	Name      string       `json:"name"` // StoreDataRoot or StoreContainerd
	From      string       `json:"from"` // the configured folder: with userns-remap the parent of the engine's
	To        string       `json:"to"`   // Request.To itself, or docker and containerd below it when both move
	FSType    string       `json:"fs_type"`
	ToFSType  string       `json:"to_fs_type"`
	SameFS    bool         `json:"same_fs"`  // From and To are on one file system
	Reflink   bool         `json:"reflink"`  // and it can share data between them
	Bytes     int64        `json:"bytes"`    // allocated
	Apparent  int64        `json:"apparent"` // with holes as if they were data
	Files     int64        `json:"files"`    // inodes
	Configure ConfiguredBy `json:"configured_by"`
}

// Engine is the engine that owns the stores.
type Engine struct {
	ID              string `json:"id"`
	Version         string `json:"version"`
	Driver          string `json:"driver"`
	ContainerdStore bool   `json:"containerd_store"` // images are in containerd's store
	DataRoot        string `json:"data_root"`        // as the engine says: with userns-remap the sub-folder
	UserNS          string `json:"userns,omitempty"` // name of that sub-folder, "231072.231072"
	LiveRestore     bool   `json:"live_restore"`
	Swarm           string `json:"swarm,omitempty"` // "worker", "manager", or nothing
	Pid             int    `json:"pid"`             // of dockerd
	Unit            string `json:"unit"`            // docker.service
	Containerd      string `json:"containerd,omitempty"`
	ContainerdUnit  string `json:"containerd_unit,omitempty"` // the service of a containerd that dockerd does not run itself
	ConfigFile      string `json:"config_file"`               // daemon.json, wherever it is
	ConfigDigest    string `json:"config_digest,omitempty"`   // of that file: see [ConfigDigest]
}

// Container is one container as it is before the move, and what becomes of it.
type Container struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	State      string   `json:"state"`  // running, paused, restarting, exited, created, dead
	Policy     string   `json:"policy"` // no, always, unless-stopped, on-failure
	AutoRemove bool     `json:"auto_remove,omitempty"`
	Back       Back     `json:"back"`
	StopSecs   int      `json:"stop_seconds"`        // its own stop timeout
	InRoot     []string `json:"in_root,omitempty"`   // bind sources inside a store that moves
	Quota      bool     `json:"quota,omitempty"`     // its writable layer has a size limit
	Swarm      bool     `json:"swarm,omitempty"`     // a task of a swarm service
	Published  []string `json:"published,omitempty"` // "0.0.0.0:8080->80/tcp"
}

// Back is how a container comes back after the move.
type Back string

// What becomes of containers.
const (
	BackStarted   Back = "started"    // davit starts it: the engine would not, or not yet
	BackRestarted Back = "restarted"  // the engine's own policy starts it
	BackPaused    Back = "paused"     // started and paused again
	BackStopped   Back = "stopped"    // it does not run now, and will not
	BackStopAgain Back = "stop again" // it does not run now, but its policy would start it: davit sees to that
	BackLost      Back = "lost"       // --rm: the stop deletes it, with its anonymous volumes
)

// Mount is something mounted in a store that moves.
type Mount struct {
	Path    string `json:"path"`
	FSType  string `json:"fs_type"`
	Source  string `json:"source"`
	Options string `json:"options,omitempty"`
	Engines bool   `json:"engines"` // the engine mounts it, and unmounts it when it stops
}

// MountUnit is a unit that mounts the destination at boot.
type MountUnit struct {
	Name    string `json:"name"` // "mnt-big.mount"
	Path    string `json:"path"` // of its file
	Content string `json:"content"`
}

// Destination is what one store would get.
type Destination struct {
	Path       string `json:"path"`
	Probed     string `json:"probed"` // the existing folder that was looked at: Path or one above it
	Exists     bool   `json:"exists"`
	MountPoint string `json:"mount_point"`
	FSType     string `json:"fs_type"`
	Source     string `json:"source"`
	Free       uint64 `json:"free"` // bytes
	Inodes     uint64 `json:"free_inodes"`
	WriteRate  int64  `json:"write_rate"` // bytes per second, tried out; 0 when it could not be
	AtBoot     bool   `json:"at_boot"`    // something mounts it at boot, or it is on the root file system
	// Mount is the unit for Request.WriteMountUnit; nil when nothing is needed.
	Mount *MountUnit `json:"mount_unit,omitempty"`
}

// Estimate is what the move will take, roughly.
type Estimate struct {
	Total    time.Duration `json:"total"`
	Downtime time.Duration `json:"downtime"`
}

// Survey is everything that was found out.
type Survey struct {
	Taken        time.Time     `json:"taken"`
	Engine       Engine        `json:"engine"`
	Stores       []Store       `json:"stores"`
	Destinations []Destination `json:"destinations"` // one for each store, in their order
	Containers   []Container   `json:"containers"`   // by name
	Mounts       []Mount       `json:"mounts"`
	Bytes        int64         `json:"bytes"` // of all stores
	Files        int64         `json:"files"`
	Estimate     Estimate      `json:"estimate"`
	Findings     []Finding     `json:"findings"`
}

// Refusals lists the findings that forbid a run.
func (s *Survey) Refusals() []Finding {
	var out []Finding
	for _, f := range s.Findings {
		if f.Level == Refusal {
			out = append(out, f)
		}
	}
	return out
}

// Refused tells whether anything forbids a run.
func (s *Survey) Refused() bool { return len(s.Refusals()) > 0 }
