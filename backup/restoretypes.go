package backup

import (
	"time"

	"davit/backup/archive"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/guard"
)

// RestorePlan is what a restore will do. It is made by PlanRestore, can be printed or written as JSON, and
// is carried out by ApplyRestore, unless Refused names reasons not to.
type RestorePlan struct {
	Snapshot string        `json:"snapshot"` // full id
	Host     string        `json:"host"`
	Time     time.Time     `json:"time"`  // of the snapshot
	Steps    []RestoreStep `json:"steps"` // in the order they are done
	Refused  []Refusal     `json:"refused"`
	Notes    []string      `json:"notes"`

	Options RestoreOptions `json:"-"`

	snapshot repo.Snapshot
	layers   []UnsavedLayer
}

// RestoreAction is what a step does.
type RestoreAction string

// What a step does.
const (
	ActionCreateVolume    RestoreAction = "create-volume"      // with driver, options and labels, then its files
	ActionFillVolume      RestoreAction = "fill-volume"        // an existing, empty volume
	ActionReplaceVolume   RestoreAction = "replace-volume"     // in place, by renaming _data
	ActionWriteFolder     RestoreAction = "write-folder"       // files below a folder that is absent or empty
	ActionLoadImage       RestoreAction = "load-image"         // into the engine, with its tags
	ActionWriteFile       RestoreAction = "write-file"         // a definition or an image as a file below To
	ActionWriteCompose    RestoreAction = "write-compose-file" // of a compose project, where there is none yet
	ActionCreateNetwork   RestoreAction = "create-network"
	ActionCreateContainer RestoreAction = "create-container"
	ActionStartContainer  RestoreAction = "start-container"
	ActionKeep            RestoreAction = "keep" // it is there already and is what the snapshot holds, or is left as it is
)

// RestoreStep is one thing that a restore does.
type RestoreStep struct {
	Action  RestoreAction `json:"action"`
	Kind    string        `json:"kind"`
	Name    string        `json:"name"`
	Path    string        `json:"path,omitempty"`   // only this file or folder of the item
	Target  string        `json:"target,omitempty"` // volume, folder, file, image reference or container
	Bytes   int64         `json:"bytes"`            // UnknownSize when the snapshot does not say
	Entries int64         `json:"entries,omitempty"`
	Stops   []string      `json:"stops,omitempty"` // containers stopped meanwhile and started again
	Note    string        `json:"note,omitempty"`

	item   repo.Item
	file   string             // of a tree: the only file it holds
	far    bool               // written by an agent
	copied bool               // written by the engine's archive API
	spec   *engine.VolumeSpec // volumes to be made
	volume *engine.Volume     // volumes to be replaced
	users  []guard.Target     // containers to be stopped for it
	image  *archive.ImageItem // images
	names  map[string]string  // containers: saved ids of others -> their names
	staged bool               // folders: written beside their place first
	left   string             // containers: id of one that a run which was cut short made and never started
	begun  bool               // containers: such a run was about to make it
	root   string             // compose files: the folder below which it is written
}

func (s *RestoreStep) addNote(note string) {
	if s.Note != "" {
		s.Note += "; "
	}
	s.Note += note
}

// Ref is KIND/NAME, percent-encoded.
func (s RestoreStep) Ref() string { return FormatItem(s.Kind, s.Name) }

// Destructive reports whether the plan replaces existing data or stops containers, and so needs a confirmation.
func (p *RestorePlan) Destructive() bool {
	for _, s := range p.Steps {
		if s.Action == ActionReplaceVolume || len(s.Stops) > 0 {
			return true
		}
	}
	return false
}

// RestoreReport is the summary of a restore.
type RestoreReport struct {
	Snapshot string              `json:"snapshot"`
	Steps    []RestoreStepReport `json:"steps"`
	Files    int64               `json:"files"`
	Bytes    int64               `json:"bytes"`
	Seconds  float64             `json:"seconds"`
	Problems []Problem           `json:"problems"`
	Layers   []UnsavedLayer      `json:"unsaved_layers"`     // containers whose layer was not saved
	InPlace  string              `json:"in_place,omitempty"` // id for CommitInPlace and RollbackInPlace
	Freezes  []Freeze            `json:"freezes"`            // how long containers were stopped
}

// RestoreStepReport is what became of one step.
type RestoreStepReport struct {
	RestoreStep
	Done    bool    `json:"done"`
	Files   int64   `json:"files,omitempty"`
	Seconds float64 `json:"seconds"`
	Result  string  `json:"result,omitempty"` // image id, container id
}

// InPlaceRestore is a restore in place whose old data is still kept.
type InPlaceRestore struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Snapshot string    `json:"snapshot"`
	Volumes  []string  `json:"volumes"`
	Bytes    int64     `json:"bytes"` // that the old data takes
}
