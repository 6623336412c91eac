package doctor

import "time"

// Facts are what a host is judged by.
type Facts struct {
	Now  time.Time
	Root bool // this process may read every volume

	Engine     Engine
	Folders    []Folder // state and cache
	Systemd    Systemd
	Config     Config
	Repository []Repository
	Clock      Clock
	Left       Left
	Drill      *Drill // nil: nobody keeps count of drills
}

// Engine is the Docker Engine that this process would use.
type Engine struct {
	Err     error // it does not answer
	Hint    string
	Version string // "28.5.2"
	Where   string // "unix:///var/run/docker.sock"
	Local   bool   // its files are those of this host
	NotHere string // why that is not so, or not proved
}

// Folder is one that davit keeps its own things in.
type Folder struct {
	Path  string
	Use   string // "state"
	Err   error  // it cannot be written
	Mode  uint32 // permission bits
	Free  uint64 // bytes
	Nodes uint64 // inodes
}

// Systemd is the host's service manager.
type Systemd struct {
	Running bool
	Err     error
	Recover string   // state of davit-recover.service's file: "enabled", "disabled", "" when there is none
	Timers  []string // enabled timers of davit
}

// Config is what davit does by itself.
type Config struct {
	File string
	Err  error // it cannot be used
	None bool  // there is none
	Jobs int
}

// Repository is one that the configuration or the command line names.
type Repository struct {
	Path   string
	Remote bool // on a server, which tells nothing of its room
	Err    error
	Hint   string
	Free   uint64
	Nodes  uint64
	Newest time.Time // newest complete snapshot of this host; zero: none
	RPO    time.Duration
	Ahead  time.Time // the latest time of any snapshot

	Verified time.Time // all of it from this machine; zero: never
	Damaged  int       // blobs that were found damaged then
}

// Clock is how well the host knows the time.
type Clock struct {
	Known        bool // whether Synchronized could be found out
	Synchronized bool
}

// Left is what is waiting for somebody.
type Left struct {
	Err       error
	Frozen    []string // containers that a dead run left paused or stopped
	InPlace   int      // restores in place whose old data is still there
	Migration string   // what a migration waits for, "" for none
}

// Drill is the last restore rehearsal.
type Drill struct {
	Err  error
	Last time.Time // zero: none
	Good bool
}
