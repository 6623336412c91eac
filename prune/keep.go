package prune

import (
	"cmp"
	"fmt"
	"slices"
)

// keeps says why a rule leaves an object that it selects, or which place the object has among those it competes with.
func (d *decision) keeps(r *Rule, o *Object) (reason, place string) {
	if within := r.Keep.Within; within != nil && d.facts.Taken.Sub(o.Arrived) < within.Duration {
		return fmt.Sprintf("rule %s: arrived within %s", r.Name, shortAge(within.Duration)), ""
	}
	if r.Keep.Last == 0 {
		return "", ""
	}
	for _, repository := range o.repositories() {
		rank, of := d.rank(r, repository, o)
		if rank <= r.Keep.Last {
			return fmt.Sprintf("rule %s: among the newest %d of %s", r.Name, r.Keep.Last, repository), ""
		}
		place = fmt.Sprintf("number %d of %d of %s", rank, of, repository)
	}
	return "", place
}

// rank is the place of an image among those of a repository, the newest first. Images that the rule does not reach for
// their age count too: they are the ones that are kept.
func (d *decision) rank(r *Rule, repository string, o *Object) (rank, of int) {
	var list []*Object
	for i := range d.facts.Objects {
		other := &d.facts.Objects[i]
		if other.Kind == Image && slices.Contains(other.repositories(), repository) && (other.Ref == o.Ref || r.Select.scope(other, true)) {
			list = append(list, other)
		}
	}
	slices.SortFunc(list, func(a, b *Object) int { return cmp.Or(b.Arrived.Compare(a.Arrived), a.compare(b.Ref)) })
	return 1 + slices.IndexFunc(list, func(x *Object) bool { return x.Ref == o.Ref }), len(list)
}

// keepWithin leaves the most recently used build cache of rules that keep some.
func (d *decision) keepWithin() {
	for i := range d.policy.Rules {
		r := &d.policy.Rules[i]
		if r.Keep.Space == nil {
			continue
		}
		var list []*Verdict
		room := int64(r.Keep.Space.Bytes)
		for _, v := range d.verdicts {
			switch {
			case v.Remove && v.Rule == r.Name:
				list = append(list, v)
			case v.Kind == Cache:
				room -= d.held(v)
			}
		}
		slices.SortFunc(list, func(a, b *Verdict) int {
			return cmp.Or(b.last().Compare(a.last()), a.compare(b.Ref))
		})
		for _, v := range list {
			if room -= d.held(v); room < 0 {
				break
			}
			v.Remove = false
			v.Reason = fmt.Sprintf("rule %s: within the %s that are kept", r.Name, r.Keep.Space)
		}
	}
}

func (d *decision) held(v *Verdict) int64 {
	var sum int64
	for _, u := range v.Units {
		sum += d.facts.Units[u]
	}
	return sum
}

// previous tells whether an image is one of the last that a repository had before one that a running container uses:
// what a rollback needs.
func (d *decision) previous(s *Selector, o *Object) bool {
	for _, repository := range o.origins() {
		for _, other := range d.followed(repository, o) {
			if d.runs(other) && d.between(repository, o, other) < s.Previous {
				return true
			}
		}
	}
	return false
}

// followed are the images of a repository that came after one.
func (d *decision) followed(repository string, o *Object) []*Object {
	var list []*Object
	for i := range d.facts.Objects {
		other := &d.facts.Objects[i]
		if other.Kind == Image && other.Arrived.After(o.Arrived) && slices.Contains(other.origins(), repository) {
			list = append(list, other)
		}
	}
	return list
}

// between counts the images of a repository that came after one and before a later one.
func (d *decision) between(repository string, o, later *Object) int {
	n := 0
	for _, other := range d.followed(repository, o) {
		if other.Arrived.Before(later.Arrived) {
			n++
		}
	}
	return n
}

// runs tells whether a running container uses an image.
func (d *decision) runs(o *Object) bool {
	return slices.ContainsFunc(d.users[o.Ref], func(u *Object) bool { return u.Kind == Container && u.State == "running" })
}
