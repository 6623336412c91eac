package backup

import (
	"fmt"
	"time"
)

// Consistency is how the containers that write to an item are held while its last pass is read.
type Consistency string

// The ways to hold containers.
const (
	ConsistencyPause Consistency = "pause" // frozen for the delta pass: what a power cut would leave
	ConsistencyStop  Consistency = "stop"  // stopped for the delta pass and started again
	ConsistencyLive  Consistency = "live"  // not held: files that change while they are read are marked
)

// DefaultMaxFreeze is how long a group is frozen at most when CreateOptions does not say.
const DefaultMaxFreeze = 10 * time.Second

// CreateOptions is the whole input of PlanCreate beside the host.
type CreateOptions struct {
	Selection    Selection
	Consistency  Consistency   // "" is pause
	FSSnapshots  FSSnapshots   // "" is auto
	MaxFreeze    time.Duration // 0 is DefaultMaxFreeze
	AllowRMLoss  bool          // stop --rm containers although that deletes their anonymous volumes
	Job          string        // written into the snapshot
	Tags         []string      // likewise
	ExportAlone  bool          // images one by one, although layers that they share are then read once for each
	LayerWarning int64         // name containers whose unsaved writable layer is larger; 0 is 10 MB
	ForceRead    bool          // read every file, also what did not change
	Reread       int           // read one of so many shares of what did not change, each run the next; 0 is none
	Compression  Compression   // of new data
	RPO          time.Duration // how old the newest snapshot of this job may be, written into it; 0: nobody said
	// Labels are those that steer davit, by the names of containers, as if they were set there; they go before the container's own.
	Labels map[string]map[string]string
}

// defaultLayerWarning is the size from which an unsaved writable layer is named.
const defaultLayerWarning = 10_000_000

func (o CreateOptions) withDefaults() CreateOptions {
	if o.Consistency == "" {
		o.Consistency = ConsistencyPause
	}
	if o.FSSnapshots == "" {
		o.FSSnapshots = FSSnapshotsAuto
	}
	if o.MaxFreeze == 0 {
		o.MaxFreeze = DefaultMaxFreeze
	}
	if o.LayerWarning == 0 {
		o.LayerWarning = defaultLayerWarning
	}
	return o
}

// Check reports options that cannot be, as *UsageError.
func (o CreateOptions) Check() error {
	switch o.Consistency {
	case "", ConsistencyPause, ConsistencyStop, ConsistencyLive:
	default:
		return &UsageError{
			Reason: fmt.Sprintf("unknown --consistency %q", o.Consistency),
			Hint:   "pause, stop or live",
		}
	}
	switch o.FSSnapshots {
	case "", FSSnapshotsAuto, FSSnapshotsNever:
	default:
		return &UsageError{Reason: fmt.Sprintf("unknown --fs-snapshots %q", o.FSSnapshots), Hint: "auto or never"}
	}
	if o.MaxFreeze < 0 {
		return &UsageError{Reason: "--max-freeze is negative"}
	}
	if err := o.Compression.check(); err != nil {
		return err
	}
	if o.Reread < 0 {
		return &UsageError{Reason: "--reread is negative"}
	}
	if err := CheckTags(o.Tags); err != nil {
		return err
	}
	return o.Selection.Check()
}
