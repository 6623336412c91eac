package backup

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/engine/guard"
)

// UnknownSize stands for a size that the plan cannot tell without reading.
const UnknownSize int64 = -1

// CreatePlan is what a run of create will do. It is made by PlanCreate, is a value that can be
// printed or written as JSON, and is carried out by ApplyCreate.
type CreatePlan struct {
	Items   []PlannedItem  `json:"items"`   // in the order they are saved
	Groups  []Group        `json:"groups"`  // containers that are held together
	Skipped []Skipped      `json:"skipped"` // what is left out, and why: never silent
	Layers  []UnsavedLayer `json:"unsaved_layers"`
	Notes   []string       `json:"notes"` // decisions that are not about one item

	Engine  *EngineInfo   `json:"engine,omitempty"` // nil without an engine
	Options CreateOptions `json:"-"`

	platform *ocispec.Platform // of the engine, nil when it is not known
	inv      *inventory        // what groups were made from
	rules    *holdRules
}

// EngineInfo identifies the engine a plan was made against.
type EngineInfo struct {
	Endpoint string `json:"endpoint"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Store    string `json:"store"` // "graphdriver" or "containerd"
	Local    bool   `json:"local"`
}

// PlannedItem is one item that a run will save.
type PlannedItem struct {
	Kind        string      `json:"kind"`
	Name        string      `json:"name"`
	Source      string      `json:"source,omitempty"` // the folder that is read, for kinds that hold files
	Bytes       int64       `json:"bytes"`            // UnknownSize when only reading tells
	Containers  []string    `json:"containers,omitempty"`
	Consistency Consistency `json:"consistency,omitempty"` // for kinds that hold files
	Group       int         `json:"group"`                 // index into Groups, -1 when nothing is held for it
	Failure     string      `json:"failure,omitempty"`     // the reason why this item cannot be saved: the run ends in part
	Note        string      `json:"note,omitempty"`
	Exclude     []string    `json:"exclude,omitempty"` // patterns by labels of its containers, beside those of the selection

	file   string        // the only name in Source that is saved, for bind mounts of a file
	helper bool          // a volume whose files are only there while something holds it mounted
	far    bool          // read by an agent
	copied bool          // read by the engine's archive API
	doc    *definition   // definitions
	image  *plannedImage // images
	layer  int64         // containers: bytes in the writable layer, UnknownSize when not asked for
	runs   bool          // containers: it ran when the plan was made
}

// Ref is KIND/NAME, percent-encoded.
func (p PlannedItem) Ref() string { return FormatItem(p.Kind, p.Name) }

// Group is a set of containers that are frozen together because they write to overlapping paths.
type Group struct {
	Containers  []Member    `json:"containers"`  // in the order they are held; they are let go in reverse
	Items       []string    `json:"items"`       // refs of the items read while they are held
	Consistency Consistency `json:"consistency"` // pause, stop or live
	Hooks       []GroupHook `json:"hooks,omitempty"`

	sources []source // the folders that are read
}

// Member is one container of a group.
type Member struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Hold Hold   `json:"hold"`
	Why  string `json:"why,omitempty"` // when it is held otherwise than asked, or not at all

	target guard.Target
}

// Hold is what is done to a container while its group is read.
type Hold string

// What is done to a container.
const (
	HoldPause Hold = "pause"
	HoldStop  Hold = "stop"
	HoldNone  Hold = "none" // it opts out, serves what davit reads, or does not run
)

// Skipped is something that is not saved although a whole-host backup might be expected to.
type Skipped struct {
	Kind       string   `json:"kind"`
	Name       string   `json:"name"`
	Reason     string   `json:"reason"`
	Hint       string   `json:"hint,omitempty"`
	Containers []string `json:"containers,omitempty"` // that use it
}

// UnsavedLayer is a container whose writable layer holds data that is not saved.
type UnsavedLayer struct {
	Container string `json:"container"`
	Bytes     int64  `json:"bytes"`
}

// Failures returns the items that cannot be saved.
func (p *CreatePlan) Failures() []PlannedItem {
	var failed []PlannedItem
	for _, it := range p.Items {
		if it.Failure != "" {
			failed = append(failed, it)
		}
	}
	return failed
}
