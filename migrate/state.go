package migrate

import (
	"time"

	"davit/engine"
)

// Step is a part of a run: see the package's documentation.
type Step string

// The steps of a run, and those of a rollback.
const (
	StepCopy           Step = "copy"
	StepHold           Step = "hold"
	StepStopContainers Step = "stop containers"
	StepStopEngine     Step = "stop engine"
	StepSync           Step = "sync"
	StepVerify         Step = "verify"
	StepConfigure      Step = "configure"
	StepStart          Step = "start"
	StepCompare        Step = "compare"
	StepRelease        Step = "release"
	StepHealth         Step = "health"
	StepUndo           Step = "undo"      // the old root comes back
	StepCopyBack       Step = "copy back" // the old root is brought up to date while containers run on the new one
	StepSyncBack       Step = "sync back" // the old root is brought up to date, which is the engine's no more
)

// Steps lists those of a run, in their order.
func Steps() []Step {
	return []Step{StepCopy, StepHold, StepStopContainers, StepStopEngine, StepSync, StepVerify, StepConfigure, StepStart,
		StepCompare, StepRelease, StepHealth}
}

// Outcome is how a migration has ended, or stands.
type Outcome string

// The outcomes. Until there is one, a worker is at it, or died.
const (
	Interrupted Outcome = "interrupted" // before anything changed; the copy can be gone on with
	RolledBack  Outcome = "rolled back"
	Done        Outcome = "done"
	Committed   Outcome = "committed"
)

// Action is what a worker is to do.
type Action string

// The actions.
const (
	ActionRun      Action = "run"
	ActionRollback Action = "rollback"
	ActionSyncBack Action = "sync back"
)

// State is the journal's content.
type State struct {
	Version int       `json:"version"`
	Plan    Plan      `json:"plan"`
	Action  Action    `json:"action"`
	Step    Step      `json:"step"` // that has begun
	Outcome Outcome   `json:"outcome,omitempty"`
	Began   time.Time `json:"began"`
	Changed time.Time `json:"changed"` // when this was written

	// What is different on the host because of the migration, and how it was.
	BootUnit   bool       `json:"boot_unit,omitempty"`
	Held       []Held     `json:"held,omitempty"`
	Ran        []Ran      `json:"ran,omitempty"`
	Masked     []string   `json:"masked,omitempty"`
	Configured *Config    `json:"configured,omitempty"`
	Renamed    bool       `json:"renamed,omitempty"` // roots may have been renamed
	StaleOld   bool       `json:"stale_old,omitempty"`
	Inventory  *Inventory `json:"inventory,omitempty"`
	// EngineStarted says that the engine was asked to start on the new root, ContainersStarted that containers may
	// have run there.
	EngineStarted     bool `json:"engine_started,omitempty"`
	ContainersStarted bool `json:"containers_started,omitempty"`

	Reason string `json:"reason,omitempty"` // why it was undone, or what is left to do
	Failed Step   `json:"failed,omitempty"` // the step that it was undone because of
	Report Report `json:"report"`
}

// Held is a container whose policy is "no" meanwhile.
type Held struct {
	ID     string               `json:"id"`
	Name   string               `json:"name"`
	Policy engine.RestartPolicy `json:"policy"`
}

// Ran is a container that was stopped by the migration.
type Ran struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Level  int    `json:"level"` // what depends on it has a lower one, and is stopped earlier and started later
	Paused bool   `json:"paused,omitempty"`
	Health string `json:"health,omitempty"` // as it was
}

// OnNewRoot tells on which root the engine belongs.
func (s *State) OnNewRoot() bool {
	switch s.Outcome {
	case Done, Committed:
		return true
	case RolledBack, Interrupted:
		return false
	}
	return s.Step == StepRelease || s.Step == StepHealth || s.Step == StepCopyBack || s.Step == StepSyncBack
}

// Over tells whether the migration leaves nothing to decide.
func (s *State) Over() bool {
	return s.Outcome == RolledBack || s.Outcome == Interrupted || s.Outcome == Committed
}

// Report has the numbers of a migration.
type Report struct {
	Files       int64         `json:"files"` // entries in the new roots
	Bytes       int64         `json:"bytes"` // written or shared in all passes
	Shared      int64         `json:"shared"`
	Passes      []Pass        `json:"passes"`
	Verify      string        `json:"verify,omitempty"`
	Compared    int64         `json:"compared"`       // entries
	ReadBack    int64         `json:"bytes_compared"` // of content
	VerifyTime  time.Duration `json:"verify_time_ns"`
	Downtime    time.Duration `json:"downtime_ns"`     // from the first container's stop to the last one's start
	EngineStop  time.Duration `json:"engine_stop_ns"`  // part of it
	EngineStart time.Duration `json:"engine_start_ns"` // part of it
	DownSince   time.Time     `json:"down_since,omitzero"`
	Total       time.Duration `json:"total_ns"`
	Containers  int           `json:"containers"` // that there are
	Stopped     int           `json:"stopped"`    // that ran before
	Started     int           `json:"started"`    // that run again
	Problems    []string      `json:"problems,omitempty"`
}

// Pass is one copy of one store.
type Pass struct {
	Store   string        `json:"store"`
	Final   bool          `json:"final,omitempty"` // with the engine stopped
	Entries int64         `json:"entries"`
	Copied  int64         `json:"copied"`
	Deleted int64         `json:"deleted,omitempty"`
	Bytes   int64         `json:"bytes"`
	Shared  int64         `json:"shared,omitempty"`
	Time    time.Duration `json:"time_ns"`
}

// Old lists the old roots.
func (s *State) Old() []string {
	var paths []string
	for _, st := range s.Plan.Survey.Stores {
		paths = append(paths, st.From)
	}
	return paths
}

// New lists the new roots.
func (s *State) New() []string {
	var paths []string
	for _, st := range s.Plan.Survey.Stores {
		paths = append(paths, st.To)
	}
	return paths
}

// Copies lists the new roots when what is in them is a copy that nobody else needs.
func (s *State) Copies() []string {
	if s.Outcome != RolledBack && s.Outcome != Interrupted || s.Plan.Options.Method == MethodRename || s.ContainersStarted {
		return nil
	}
	return s.New()
}

// FailedIn tells whether that step was the one because of which a run was undone.
func (s *State) FailedIn(step Step) bool { return s.Failed == step }
