package prune

import "time"

// Verdict is what becomes of one object, and why.
type Verdict struct {
	Object
	Remove  bool   `json:"remove"`
	Archive bool   `json:"archive,omitempty"` // only once it is archived
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason"`
	Bytes   int64  `json:"bytes"` // what its removal frees at its place in the plan

	priority [2]int64 // rule, then place within the rule
}

// Plan is a decision about every object of a host.
type Plan struct {
	Format   int         `json:"format"` // PlanFormat
	Made     time.Time   `json:"made"`
	Host     string      `json:"host"`
	Engine   EngineFacts `json:"engine"`
	Policy   string      `json:"policy"`
	Options  Options     `json:"options"`
	Goal     *Goal       `json:"goal,omitempty"` // what is to be free in the end
	Space    *Space      `json:"space,omitempty"`
	Removed  []Verdict   `json:"remove"`  // in the order of their removal
	Kept     []Verdict   `json:"keep"`    // sorted by kind, name and id
	Bytes    int64       `json:"bytes"`   // what all removals free: the sum of their Bytes
	Exact    bool        `json:"exact"`   // layers were walked, not taken from the engine's books
	Seconds  float64     `json:"seconds"` // it took to read and decide
	Notes    []string    `json:"notes,omitempty"`
	Checksum string      `json:"checksum,omitempty"` // of a plan in a file
}

// PlanFormat is the version of plan files.
const PlanFormat = 1

// Goal is what is to be free at the end, in bytes and inodes; 0 when it does not matter.
type Goal struct {
	Free   uint64 `json:"free,omitempty"`
	Inodes uint64 `json:"inodes,omitempty"`
}

// reached tells whether there is enough room.
func (g *Goal) reached(s *Space) bool { return s.Free >= g.Free && s.FreeInodes >= g.Inodes }

// Missing is how many bytes more must be free; 0 when there are enough.
func (g *Goal) Missing(s *Space) int64 {
	if g == nil || s == nil || s.Free >= g.Free {
		return 0
	}
	return int64(g.Free - s.Free)
}

// Options are the flags that change a decision.
type Options struct {
	Target  *Amount `json:"target,omitempty"`  // instead of the policy's
	Archive string  `json:"archive,omitempty"` // repository that objects go to first; "" for none
	// ArchiveKeep is instead of the policy's: how long archives of earlier runs stay.
	ArchiveKeep *Age     `json:"archive_keep,omitempty"`
	Pullable    []string `json:"pullable,omitempty"` // globs of images that a registry still has: they need no archive
}

// Short is how many bytes the plan leaves the target unreached by; 0 when it reaches it, or there is none.
func (p *Plan) Short() int64 {
	return max(0, p.Goal.Missing(p.Space)-p.Bytes)
}
