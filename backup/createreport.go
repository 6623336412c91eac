package backup

import "time"

// Report is the summary of a run of create, for a screen and as JSON.
type Report struct {
	Snapshot string         `json:"snapshot"` // its id, empty when none was published
	Time     time.Time      `json:"time"`
	Host     string         `json:"host"`
	Job      string         `json:"job,omitempty"`
	Complete bool           `json:"complete"` // every planned item is in the snapshot
	Items    []ItemReport   `json:"items"`
	Freezes  []Freeze       `json:"freezes"`
	Totals   Totals         `json:"totals"`
	Seconds  float64        `json:"seconds"`
	Problems []Problem      `json:"problems"`
	Skipped  []Skipped      `json:"skipped"`
	Layers   []UnsavedLayer `json:"unsaved_layers"`
	Notes    []string       `json:"notes"`
}

// Totals sums the items of a run.
type Totals struct {
	Items     int   `json:"items"`
	Files     int64 `json:"files"`   // regular files
	Entries   int64 `json:"entries"` // with folders, links and the rest
	Bytes     int64 `json:"bytes"`   // what the items hold
	BytesRead int64 `json:"bytes_read"`
	BytesNew  int64 `json:"bytes_new"`    // plain bytes that were not in the repository
	Stored    int64 `json:"bytes_stored"` // what those took there
}

// Ratio is plain new bytes per stored byte, 0 when nothing was stored.
func (t Totals) Ratio() float64 {
	if t.Stored == 0 {
		return 0
	}
	return float64(t.BytesNew) / float64(t.Stored)
}

// ItemReport is what became of one item.
type ItemReport struct {
	Kind        string      `json:"kind"`
	Name        string      `json:"name"`
	Saved       bool        `json:"saved"`
	Consistency Consistency `json:"consistency,omitempty"` // how it was in fact read
	Via         Via         `json:"via,omitempty"`         // by what means of its file system, after the freeze
	Consistent  bool        `json:"consistent"`            // false: its writers ran while some of it was read
	Files       int64       `json:"files"`
	Entries     int64       `json:"entries"`
	Bytes       int64       `json:"bytes"`
	BytesRead   int64       `json:"bytes_read"`
	BytesNew    int64       `json:"bytes_new"`
	Stored      int64       `json:"bytes_stored"`
	Seconds     float64     `json:"seconds"`
	Passes      int         `json:"passes,omitempty"` // warm passes before the freeze
	Reused      bool        `json:"reused,omitempty"` // images: nothing had to be exported
}

// Ref is KIND/NAME, percent-encoded.
func (r ItemReport) Ref() string { return FormatItem(r.Kind, r.Name) }

// Freeze is how long one group of containers was held.
type Freeze struct {
	Containers []string `json:"containers"`
	Items      []string `json:"items"`
	Hold       Hold     `json:"hold"`
	Seconds    float64  `json:"seconds"`            // from the first container held to the last let go
	Exceeded   bool     `json:"exceeded,omitempty"` // MaxFreeze let them go before all was read
}

// Problem is something that is missing from a snapshot or a restore, or that is not what it was.
type Problem struct {
	Item   string `json:"item,omitempty"` // KIND/NAME
	Path   string `json:"path,omitempty"` // inside the item
	Reason string `json:"reason"`
}
