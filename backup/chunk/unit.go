package chunk

import (
	"math/bits"
	"slices"
	"sync/atomic"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// A member is one entry as the walk saw it.
type member struct {
	path    string
	stat    hostfs.Stat
	role    role
	primary string // of a roleLink: the path that holds the content
}

// folder is the path of the folder that holds the member.
func (m *member) folder() string { return m.path[:m.nameAt()] }

// name is the last element of the path.
func (m *member) name() string {
	if at := m.nameAt(); at > 0 {
		return m.path[at+1:]
	}
	return m.path
}

func (m *member) nameAt() int {
	for i := len(m.path) - 1; i > 0; i-- {
		if m.path[i] == '/' {
			return i
		}
	}
	return 0
}

// holdsContent tells whether the stream holds file bytes for the member.
func (m *member) holdsContent() bool {
	return m.stat.Mode&hostfs.TypeMask == hostfs.TypeRegular && m.role != roleLink
}

// isBig tells whether the content is cut inside the file.
func (m *member) isBig() bool { return m.holdsContent() && m.stat.Size >= bigFile }

// weight is what the member adds to a run, from what the walk knows.
func (m *member) weight() int64 {
	if !m.holdsContent() || m.isBig() {
		return headerWeight
	}
	return headerWeight + (m.stat.Size+blockSize-1)&^(blockSize-1)
}

// A chunkRef is a chunk that the stream holds.
type chunkRef struct {
	blob  repo.Blob
	isNew bool // written by this pass
}

// A unit is a run of entries and, when its last entry is a big file, the chunks
// of that file. Units are read by workers and collected in stream order.
type unit struct {
	members  []member
	big      bool
	runPrint fingerprint
	bigPrint fingerprint

	// ready is closed when everything below is final.
	ready   chan struct{}
	pending atomic.Int32

	cached    *runRecord // the run's record when nothing was read
	cloned    *cloned    // its big file waits to be read
	expect    *expected  // what the cache knew of a unit that is read all the same
	run       *chunkRef
	lines     []byte // the run's catalog lines; nil until needed when cached
	entries   int
	lineBytes int         // length of lines
	chunks    []*chunkRef // content of the big file
	bigFile   bigRecord   // what else a later pass needs to reuse them
	trusted   bool        // may be recorded for later passes
	problems  []Problem
	lost      []string // primaries that could not be read
	read      int64    // bytes of content read
	told      int64    // of the big file, already reported as progress
	forget    func()   // tells a far tree that the unit was read; nil for others
}

func (u *unit) last() *member { return &u.members[len(u.members)-1] }

// harmless tells whether all of the unit is in the stream that can be.
func (u *unit) harmless() bool {
	return !slices.ContainsFunc(u.problems, func(p Problem) bool { return !p.Harmless() })
}

// nameSockets notes the unit's sockets, as reading it does.
func (u *unit) nameSockets() {
	for i := range u.members {
		if m := &u.members[i]; kindOf(m.stat.Mode) == KindSocket {
			u.problems = append(u.problems, Problem{Path: m.path, Kind: Socket})
		}
	}
}

// done counts one piece of the unit's work off.
func (u *unit) done() {
	if u.pending.Add(-1) == 0 {
		close(u.ready)
	}
}

// A runCutter groups members into units by the rules of the format. The groups
// depend on paths and sizes alone, so that an inserted file moves one boundary.
type runCutter struct {
	target int64
	emit   func(*unit) error
	run    []member
	weight int64
}

func (c *runCutter) add(m member) error {
	if m.isBig() {
		if c.weight > bigHeaderRun {
			if err := c.flush(false); err != nil {
				return err
			}
		}
		c.run = append(c.run, m)
		return c.flush(true)
	}
	c.run = append(c.run, m)
	weight := m.weight()
	c.weight += weight
	if c.ends(&m, weight) {
		return c.flush(false)
	}
	return nil
}

// ends waits for half of the target and lets the hash find the other half. A lower
// minimum gives the same number of runs and more of them far too long, and a small
// change costs the length of its run: 525 KiB against 320 KiB at a quarter.
func (c *runCutter) ends(m *member, weight int64) bool {
	if c.weight >= 4*c.target || len(c.run) >= maxRunEntries {
		return true
	}
	half := c.target / 2
	if c.weight < half {
		return false
	}
	if weight >= half {
		return true
	}
	limit, _ := bits.Div64(uint64(weight), 0, uint64(half))
	return hashPath(m.path) < limit
}

func (c *runCutter) flush(big bool) error {
	if len(c.run) == 0 {
		return nil
	}
	u := &unit{members: c.run, big: big, ready: make(chan struct{})}
	c.run = make([]member, 0, 64)
	c.weight = 0
	return c.emit(u)
}

// hashPath is FNV-1a over the path's bytes, finished with the mixer of
// MurmurHash3: short names would leave the high bits of plain FNV alike.
func hashPath(path string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(path); i++ {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
