package prune

import "time"

// Policy says what may go. It comes from ParsePolicy or Preset.
type Policy struct {
	Version int        `yaml:"version"`
	Name    string     `yaml:"-"`       // the file or the preset
	Protect []Selector `yaml:"protect"` // absolute: what any of them selects stays
	Trigger Trigger    `yaml:"trigger"` // nothing goes before one of these is reached; none: always
	Target  Target     `yaml:"target"`  // stop there
	MinAge  *Age       `yaml:"min_age"` // nothing younger goes; 1h when it is not given
	Rules   []Rule     `yaml:"rules"`   // the first that selects an object decides
	Limits  Limits     `yaml:"limits"`
	Archive Retention  `yaml:"archive"`
}

// Retention is how long archives of pruned objects stay.
type Retention struct {
	Keep *Age `yaml:"keep"` // until they are that old; nil: for ever
}

// defaultMinAge guards what a pull, a build or a run has just brought.
const defaultMinAge = time.Hour

func (p *Policy) minAge() time.Duration {
	if p.MinAge == nil {
		return defaultMinAge
	}
	return p.MinAge.Duration
}

// Trigger is when a policy has anything to do.
type Trigger struct {
	FreeBelow       *Amount `yaml:"free_below"`
	InodesFreeBelow *Amount `yaml:"inodes_free_below"`
}

// Target is when enough is free.
type Target struct {
	FreeAbove       *Amount `yaml:"free_above"`
	InodesFreeAbove *Amount `yaml:"inodes_free_above"`
}

// Limits bound one run.
type Limits struct {
	MaxDelete int     `yaml:"max_delete"`
	MaxBytes  *Amount `yaml:"max_bytes"`
}

// Action is what becomes of an object that a rule decides on.
type Action string

// What a rule may do.
const (
	Remove        Action = "remove"
	ArchiveRemove Action = "archive+remove" // only once the archive holds it
)

// Order is in which order the objects of a rule go, which matters when a target or a limit ends a run early.
type Order string

// The orders of a rule.
const (
	LRU     Order = "lru" // longest unused first; the default
	Largest Order = "size"
)

// Rule decides on the objects that it selects.
type Rule struct {
	Name   string   `yaml:"name"`
	Select Selector `yaml:"select"`
	Keep   Keep     `yaml:"keep"`
	Order  Order    `yaml:"order"`
	Action Action   `yaml:"action"`

	line int
}

// Keep is what a rule leaves of the objects it selects; one reason is enough.
type Keep struct {
	Last   int     `yaml:"last"`   // the newest images of each repository
	Within *Age    `yaml:"within"` // what arrived within that time
	Space  *Amount `yaml:"space"`  // build cache: the most recently used up to that many bytes
}

// Selector selects objects; all that it says must hold.
type Selector struct {
	Kind      Kind  `yaml:"kind"`
	Ref       Words `yaml:"ref"`       // images: glob of name or name:tag; every tag of the image must match one
	Name      Words `yaml:"name"`      // containers, volumes, networks: glob; images: their short id, if they have no tag
	Label     Words `yaml:"label"`     // key, key=value, !key
	Type      Words `yaml:"type"`      // build cache
	State     Words `yaml:"state"`     // containers: exited, created, dead
	Unused    *Age  `yaml:"unused"`    // since the last use; since arrival, when no use is known
	Exited    *Age  `yaml:"exited"`    // containers: since they stopped, or were made and never started
	Age       *Age  `yaml:"age"`       // since arrival
	Dangling  *bool `yaml:"dangling"`  // images without a tag
	Anonymous *bool `yaml:"anonymous"` // volumes
	Named     *bool `yaml:"named"`     // volumes
	Previous  int   `yaml:"previous"`  // images, in protect only: so many before each that a running container uses
}
