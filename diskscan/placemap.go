package diskscan

import (
	"slices"
	"strings"
)

// PlaceMap says which owner a path below a scanned folder belongs to: that of the longest claimed path that contains it.
// It is filled before the scan and only read during it.
type PlaceMap struct {
	top    *place
	owners map[string]*tally
}

// place is a folder or file that is claimed, or lies above one that is.
type place struct {
	owner    *tally // nil: that of the folder above
	children map[string]*place
	prefixes []prefixClaim
}

// prefixClaim gives the files and folders whose names begin with a prefix to an owner.
type prefixClaim struct {
	prefix string
	owner  *tally
}

// NewPlaceMap returns a map on which everything belongs to owner.
func NewPlaceMap(owner Owner) *PlaceMap {
	m := &PlaceMap{top: &place{}, owners: map[string]*tally{}}
	m.top.owner = m.tally(owner)
	return m
}

// Claim gives rel, a path relative to the scanned folder, and what is below it to owner. A later claim of the same path
// replaces an earlier one.
func (m *PlaceMap) Claim(rel string, owner Owner) { m.place(rel).owner = m.tally(owner) }

// ClaimPrefix gives what is in the folder rel and has a name that begins with prefix to owner, unless it is claimed by
// its whole name or by a longer prefix.
func (m *PlaceMap) ClaimPrefix(rel, prefix string, owner Owner) {
	p := m.place(rel)
	p.prefixes = append(p.prefixes, prefixClaim{prefix, m.tally(owner)})
	slices.SortStableFunc(p.prefixes, func(a, b prefixClaim) int { return len(b.prefix) - len(a.prefix) })
}

// tally returns the one sum of an owner; the first description of it counts.
func (m *PlaceMap) tally(owner Owner) *tally {
	key := owner.key()
	if owner.Held != 0 {
		key += "\x00held"
	}
	t := m.owners[key]
	if t == nil {
		t = &tally{owner: owner, key: key}
		m.owners[key] = t
	}
	return t
}

func (m *PlaceMap) place(rel string) *place {
	p := m.top
	for name := range strings.SplitSeq(rel, "/") {
		if name == "" {
			continue
		}
		if p.children == nil {
			p.children = map[string]*place{}
		}
		next := p.children[name]
		if next == nil {
			next = &place{}
			p.children[name] = next
		}
		p = next
	}
	return p
}

// below returns the map for the folder rel of this one's folder.
func (m *PlaceMap) below(rel string) *PlaceMap {
	owner, p := m.top.owner, m.top
	for name := range strings.SplitSeq(rel, "/") {
		if name == "" {
			continue
		}
		owner, p = p.find(name, owner)
		if p == nil {
			p = &place{}
		}
	}
	top := *p
	top.owner = owner
	return &PlaceMap{top: &top, owners: m.owners}
}

// graft puts the map of a folder into that of a folder above it.
func (m *PlaceMap) graft(rel string, sub *PlaceMap) {
	m.owners = sub.share(m.owners)
	*m.place(rel) = *sub.top
}

// share makes the map use the sums of another one where both have an owner.
func (m *PlaceMap) share(owners map[string]*tally) map[string]*tally {
	same := map[*tally]*tally{}
	for key, t := range m.owners {
		if owners[key] == nil {
			owners[key] = t
		}
		same[t] = owners[key]
	}
	m.top.replace(same)
	m.owners = owners
	return owners
}

func (p *place) replace(same map[*tally]*tally) {
	if t := same[p.owner]; t != nil {
		p.owner = t
	}
	for i, c := range p.prefixes {
		p.prefixes[i].owner = same[c.owner]
	}
	for _, child := range p.children {
		child.replace(same)
	}
}

// find returns whom an entry belongs to, and its place when there is more to know below. The name is not kept.
func (p *place) find(name string, inherited *tally) (*tally, *place) {
	if next := p.children[name]; next != nil {
		if next.owner != nil {
			return next.owner, next
		}
		return inherited, next
	}
	for _, c := range p.prefixes {
		if strings.HasPrefix(name, c.prefix) {
			return c.owner, nil
		}
	}
	return inherited, nil
}
