package prune

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/dustin/go-humanize"
)

// limit keeps what is not needed for the goal, and what is beyond the policy's limits.
func (d *decision) limit(candidates []*Verdict) {
	candidates = slices.DeleteFunc(candidates, func(v *Verdict) bool { return !v.Remove })
	if d.goal != nil && d.facts.Space != nil && d.goal.Free > d.facts.Space.Free && d.goal.Inodes == 0 {
		want := int64(d.goal.Free - d.facts.Space.Free)
		n := sort.Search(len(candidates), func(n int) bool { return d.facts.frees(d.closed(candidates[:n])) >= want })
		if n <= len(candidates) {
			candidates = d.cut(candidates, n, "the target is reached without it")
		}
	}
	if most := d.policy.Limits.MaxDelete; most > 0 {
		n := sort.Search(len(candidates)+1, func(n int) bool { return n > len(candidates) || len(d.closed(candidates[:n])) > most })
		candidates = d.cut(candidates, n-1, fmt.Sprintf("max_delete is %d", most))
	}
	if most := d.policy.Limits.MaxBytes; most != nil {
		n := sort.Search(len(candidates)+1, func(n int) bool {
			return n > len(candidates) || d.facts.frees(d.closed(candidates[:n])) > int64(most.Bytes)
		})
		d.cut(candidates, n-1, fmt.Sprintf("max_bytes is %s", humanize.IBytes(most.Bytes)))
	}
}

// closed is what of some candidates can go when nothing else does, in the order of removal.
func (d *decision) closed(candidates []*Verdict) []*Object {
	goes := map[Ref]bool{}
	for _, v := range candidates {
		goes[v.Ref] = true
	}
	d.needed(goes)
	return d.ordered(goes)
}

// cut keeps the candidates from n on, and what those need.
func (d *decision) cut(candidates []*Verdict, n int, reason string) []*Verdict {
	if n >= len(candidates) {
		return candidates
	}
	for _, v := range candidates[n:] {
		v.Remove, v.Archive, v.Reason = false, false, fmt.Sprintf("%s (%s)", reason, v.Reason)
	}
	d.settle(candidates[:n])
	return slices.DeleteFunc(slices.Clone(candidates[:n]), func(v *Verdict) bool { return !v.Remove })
}

// ordered sorts objects so that each goes after those that need it: by kind, and within a kind children first.
func (d *decision) ordered(goes map[Ref]bool) []*Object {
	depth := map[Ref]int{}
	var deep func(ref Ref) int
	deep = func(ref Ref) int {
		if n, ok := depth[ref]; ok {
			return n
		}
		depth[ref] = 0 // ends a ring
		for _, u := range d.users[ref] {
			if u.Kind == ref.Kind && goes[u.Ref] {
				depth[ref] = max(depth[ref], 1+deep(u.Ref))
			}
		}
		return depth[ref]
	}
	refs := slices.Collect(maps.Keys(goes))
	for _, r := range refs {
		deep(r)
	}
	slices.SortFunc(refs, func(a, b Ref) int {
		if c := a.Kind.order() - b.Kind.order(); c != 0 {
			return c
		}
		if c := depth[a] - depth[b]; c != 0 {
			return c
		}
		if va, vb := d.verdicts[a], d.verdicts[b]; va.priority != vb.priority {
			if va.priority[0] != vb.priority[0] {
				return int(va.priority[0] - vb.priority[0])
			}
			if va.priority[1] < vb.priority[1] {
				return -1
			}
			return 1
		}
		return a.compare(b)
	})
	var list []*Object
	for _, r := range refs {
		list = append(list, d.index[r])
	}
	return list
}

// plan puts the verdicts together.
func (d *decision) plan() *Plan {
	f := d.facts
	p := &Plan{
		Format: PlanFormat, Made: f.Taken, Engine: f.Engine, Policy: d.policy.Name, Options: d.options, Goal: d.goal,
		Space: f.Space, Removed: []Verdict{}, Kept: []Verdict{}, Notes: slices.Concat(f.Notes, d.notes),
	}
	goes := map[Ref]bool{}
	for i := range f.Objects {
		v := d.verdicts[f.Objects[i].Ref]
		if v.Remove {
			goes[v.Ref] = true
		} else {
			p.Kept = append(p.Kept, *v)
		}
	}
	list := d.ordered(goes)
	increments := f.increments(list)
	for i, o := range list {
		v := d.verdicts[o.Ref]
		v.Bytes = increments[i]
		p.Bytes += v.Bytes
		p.Removed = append(p.Removed, *v)
	}
	return p
}

// describe names an entry of the protect list.
func (s *Selector) describe(i int) string {
	var parts []string
	if s.Kind != "" {
		parts = append(parts, string(s.Kind))
	}
	parts = append(parts, slices.Concat(s.Ref, s.Name)...)
	for _, l := range s.Label {
		parts = append(parts, "label "+l)
	}
	if s.Previous > 0 {
		parts = append(parts, fmt.Sprintf("previous %d of what runs", s.Previous))
	}
	return fmt.Sprintf("protect %d (%s)", i+1, strings.Join(parts, " "))
}
