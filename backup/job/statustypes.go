package job

import (
	"fmt"
	"time"

	"davit/backup"
	"davit/backup/drill"
	"davit/backup/repo"
	"davit/backup/verified"
)

// State is how well something is protected.
type State string

// The states.
const (
	StateOK          State = "ok"
	StateOld         State = "too old"     // older than its rpo
	StateNever       State = "never"       // a job without a good snapshot
	StateUnprotected State = "unprotected" // a volume that no snapshot holds
	StateExcluded    State = "excluded"    // by its label; nothing is wrong with that
	StateUnknown     State = "unknown"     // its repository cannot be read, or not without a key
)

// Bad tells the states that need somebody to look.
func (s State) Bad() bool { return s != StateOK && s != StateExcluded }

// StatusInput is what Status judges.
type StatusInput struct {
	Host         string // this host
	Now          time.Time
	Config       *Config     // nil: only what the snapshots tell
	Engine       backup.Host // nil: volumes are those that the snapshots name
	Repositories []RepositorySnapshots
	Verified     map[string]*verified.Last // by Dir of these: the last from this machine
	Only         string                    // this host only; "" is all that the repositories hold
	RPO          *time.Duration            // instead of what jobs and snapshots say
	History      []*Record
	Drills       []*drill.Report // newest first
	Unread       error           // what of this machine's own could not be read, for a note
}

// RepositorySnapshots is what a repository holds.
type RepositorySnapshots struct {
	Dir       string
	Snapshots []repo.Snapshot
	Err       error // it could not be read, or not all of it
}

// StatusReport is how well hosts are protected.
type StatusReport struct {
	Time  time.Time    `json:"time"`
	Hosts []HostStatus `json:"hosts"`
	// Repositories are those that could be read, and are damaged or not as this machine has last found them.
	Repositories []RepositoryStatus `json:"repositories"`
	Notes        []string           `json:"notes"`
	Bad          int                `json:"bad"` // jobs, volumes and repositories that need somebody to look
}

// RepositoryStatus is when all of a repository was last verified from this machine.
type RepositoryStatus struct {
	Repository string     `json:"repository"`
	Verified   *time.Time `json:"verified,omitempty"` // none: never
	Age        float64    `json:"age_seconds"`
	Data       bool       `json:"data"` // data was read, and not only looked for
	Damaged    int        `json:"damaged"`
}

// HostStatus is one host.
type HostStatus struct {
	Host    string         `json:"host"`
	Jobs    []JobStatus    `json:"jobs"`
	Volumes []VolumeStatus `json:"volumes"`
}

// JobStatus is one job of a host.
type JobStatus struct {
	Job        string     `json:"job"` // "" for snapshots made without one
	Repository string     `json:"repository"`
	State      State      `json:"state"`
	Snapshot   string     `json:"snapshot,omitempty"` // the newest complete one
	Time       *time.Time `json:"time,omitempty"`
	Age        float64    `json:"age_seconds"`
	RPO        float64    `json:"rpo_seconds"`           // 0: any age will do
	LastRun    Result     `json:"last_result,omitempty"` // by the history of this host
	Reason     string     `json:"reason,omitempty"`
	Drill      *DrillInfo `json:"drill,omitempty"` // the newest of its snapshots, however it ended
}

// DrillInfo is a drill, as status tells of it.
type DrillInfo struct {
	ID      string        `json:"id"`
	Time    time.Time     `json:"time"`
	Age     float64       `json:"age_seconds"`
	Verdict drill.Verdict `json:"verdict"`
}

// VolumeStatus is one volume of a host.
type VolumeStatus struct {
	Volume   string     `json:"volume"`
	State    State      `json:"state"`
	Job      string     `json:"job,omitempty"`
	Snapshot string     `json:"snapshot,omitempty"` // the newest that holds it
	Time     *time.Time `json:"time,omitempty"`
	Age      float64    `json:"age_seconds"`
	RPO      float64    `json:"rpo_seconds"`
	Problems int        `json:"problems,omitempty"` // files that are missing or marked in that snapshot
	Drill    *DrillInfo `json:"drill,omitempty"`    // the newest in which all its files came back as they were
}

// UnprotectedError says that something is not protected or too old (exit code 15).
type UnprotectedError struct{ Bad int }

func (e *UnprotectedError) Error() string {
	if e.Bad == 1 {
		return "1 job, volume or repository is not protected, too old or damaged"
	}
	return fmt.Sprintf("%d jobs, volumes and repositories are not protected, too old or damaged", e.Bad)
}

// Err is an *UnprotectedError when something needs somebody to look.
func (r *StatusReport) Err() error {
	if r.Bad == 0 {
		return nil
	}
	return &UnprotectedError{Bad: r.Bad}
}
