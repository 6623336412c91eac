package prune

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// KeepLabel protects whatever carries it, under every policy.
const KeepLabel = "davit.keep"

// Decide says of every object whether it goes, and why. It asks nobody.
func Decide(f *Facts, p *Policy, o Options) *Plan {
	d := &decision{facts: f, policy: p, options: o, index: f.index(), users: f.users(), verdicts: map[Ref]*Verdict{}}
	if d.options.ArchiveKeep == nil {
		d.options.ArchiveKeep = p.Archive.Keep
	}
	d.readAmounts()
	for i := range f.Objects {
		obj := &f.Objects[i]
		v := &Verdict{Object: *obj}
		d.verdicts[obj.Ref] = v
		d.judge(obj, v)
	}
	d.keepWithin()
	d.steps()
	candidates := d.candidates()
	d.settle(candidates)
	d.unarchived(candidates)
	d.settle(candidates)
	d.limit(candidates)
	return d.plan()
}

// decision is one run of Decide.
type decision struct {
	facts    *Facts
	policy   *Policy
	options  Options
	index    map[Ref]*Object
	users    map[Ref][]*Object
	verdicts map[Ref]*Verdict
	goal     *Goal
	idle     string // why the policy has nothing to do now
	notes    []string
}

// readAmounts turns shares into bytes and looks whether the policy is triggered.
func (d *decision) readAmounts() {
	target, inodes := d.policy.Target.FreeAbove, d.policy.Target.InodesFreeAbove
	if d.options.Target != nil {
		target, inodes = d.options.Target, nil
	}
	t, s := d.policy.Trigger, d.facts.Space
	if s == nil {
		if target != nil || inodes != nil || t.FreeBelow != nil || t.InodesFreeBelow != nil {
			d.idle = "the engine's disk cannot be seen from here, so that no target can be measured"
		}
		return
	}
	if t.FreeBelow != nil || t.InodesFreeBelow != nil {
		low := t.FreeBelow != nil && s.Free < t.FreeBelow.of(s.Total)
		few := t.InodesFreeBelow != nil && s.FreeInodes < t.InodesFreeBelow.of(s.Inodes)
		if !low && !few {
			d.idle = fmt.Sprintf("the policy's trigger is not reached: %s are free", humanize.IBytes(s.Free))
			return
		}
	}
	if target == nil && inodes == nil {
		return
	}
	d.goal = &Goal{}
	if target != nil {
		d.goal.Free = target.of(s.Total)
	}
	if inodes != nil {
		d.goal.Inodes = inodes.of(s.Inodes)
	}
	if d.goal.reached(s) {
		d.idle = fmt.Sprintf("the target is reached: %s are free", humanize.IBytes(s.Free))
	}
}

// judge decides on one object by itself.
func (d *decision) judge(o *Object, v *Verdict) {
	now := d.facts.Taken
	age := now.Sub(o.last())
	switch {
	case len(o.Pins) > 0:
		v.Reason = "in use: " + strings.Join(o.Pins, ", ")
		return
	case hasLabel(o, KeepLabel):
		v.Reason = "protected by label " + KeepLabel
		return
	}
	for i := range d.policy.Protect {
		if s := &d.policy.Protect[i]; s.protects(o, now) && (s.Previous == 0 || d.previous(s, o)) {
			v.Reason = fmt.Sprintf("protected by %s", d.policy.Protect[i].describe(i))
			return
		}
	}
	for _, u := range d.users[o.Ref] {
		if len(u.Pins) > 0 {
			v.Reason = inUse(u)
			return
		}
	}
	switch {
	case d.idle != "":
		v.Reason = d.idle
		return
	case o.Step: // goes with what was built on it
		return
	case o.last().IsZero():
		v.Reason = "nobody knows when it came"
		return
	case age < d.policy.minAge():
		v.Reason = fmt.Sprintf("%s %s ago, min_age is %s", lastWord(o), shortAge(age), shortAge(d.policy.minAge()))
		return
	}
	d.apply(o, v)
}

// apply finds the first rule that selects an object.
func (d *decision) apply(o *Object, v *Verdict) {
	for i := range d.policy.Rules {
		r := &d.policy.Rules[i]
		if !r.Select.selects(o, d.facts.Taken) {
			continue
		}
		v.Rule = r.Name
		rank := ""
		if reason, place := d.keeps(r, o); reason != "" {
			v.Reason = reason
			return
		} else if place != "" {
			rank = ", " + place
		}
		v.Archive = r.Action == ArchiveRemove && !d.pullable(o)
		v.Remove = true
		v.Reason = fmt.Sprintf("rule %s: %s%s", r.Name, d.describeAge(o), rank)
		v.priority = [2]int64{int64(i), d.place(r, o)}
		return
	}
	v.Reason = "no rule selects it"
}

// place orders the objects of a rule.
func (d *decision) place(r *Rule, o *Object) int64 {
	if r.Order == Largest {
		var sum int64
		for _, u := range o.Units {
			sum += d.facts.Units[u]
		}
		return -sum
	}
	return o.last().UnixNano()
}

// pullable tells whether the user says that a registry has the image under all its names, and the image came from one.
func (d *decision) pullable(o *Object) bool {
	if o.Kind != Image || len(o.Tags) == 0 || len(o.Digests) == 0 {
		return false
	}
	return !slices.ContainsFunc(o.Tags, not(matchesAny(d.options.Pullable)))
}

// steps makes candidates of the build steps that nothing protects and something that goes was built on: settle keeps
// those that something else is built on. A step of a step follows in the next round.
func (d *decision) steps() {
	for changed := true; changed; {
		changed = false
		for i := range d.facts.Objects {
			v := d.verdicts[d.facts.Objects[i].Ref]
			if v.Step && v.Reason == "" && d.step(v) {
				changed = true
			}
		}
	}
	for _, v := range d.verdicts {
		if v.Reason == "" {
			v.Reason = "a step of a build"
		}
	}
}

func (d *decision) step(v *Verdict) bool {
	for _, u := range d.users[v.Ref] {
		if c := d.verdicts[u.Ref]; u.Kind == Image && c.Remove {
			v.Remove, v.Rule, v.priority = true, c.Rule, c.priority
			v.Reason = "a step of the build of " + u.Name + ", which goes"
			return true
		}
	}
	return false
}

// candidates are the objects to be removed, most wanted first.
func (d *decision) candidates() []*Verdict {
	var list []*Verdict
	for _, v := range d.verdicts {
		if v.Remove {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *Verdict) int {
		return cmp.Or(cmp.Compare(a.priority[0], b.priority[0]), cmp.Compare(a.priority[1], b.priority[1]), a.compare(b.Ref))
	})
	return list
}

// unarchived keeps what is only to go once it is archived, when there is no archive, and says how much that is.
func (d *decision) unarchived(candidates []*Verdict) {
	if d.options.Archive != "" {
		return
	}
	var stays []*Verdict
	for _, v := range candidates {
		if v.Remove && v.Archive {
			stays = append(stays, v)
		}
	}
	if len(stays) == 0 {
		return
	}
	most := d.facts.frees(d.closed(slices.DeleteFunc(slices.Clone(candidates), func(v *Verdict) bool { return !v.Remove })))
	for _, v := range stays {
		v.Remove, v.Archive, v.Reason = false, false, fmt.Sprintf("rule %s archives it first, and there is no archive", v.Rule)
	}
	rest := d.facts.frees(d.closed(slices.DeleteFunc(slices.Clone(candidates), func(v *Verdict) bool { return !v.Remove })))
	d.notes = append(d.notes, fmt.Sprintf("%d objects more (%s) would go, if they were archived first: --archive REPO, best on another disk; "+
		"or --pullable PATTERN for images that a registry still has", len(stays), humanize.IBytes(uint64(max(0, most-rest)))))
}

// settle keeps every candidate that something needs which stays.
func (d *decision) settle(candidates []*Verdict) {
	goes := map[Ref]bool{}
	for _, v := range candidates {
		if v.Remove {
			goes[v.Ref] = true
		}
	}
	for _, ref := range d.needed(goes) {
		v := d.verdicts[ref.ref]
		v.Remove, v.Archive = false, false
		v.Reason = inUse(ref.by)
	}
}

func inUse(by *Object) string {
	if by.Kind == Image {
		return by.title() + " is built on it"
	}
	return "in use by " + by.title()
}

// need is an object that stays because another one does.
type need struct {
	ref Ref
	by  *Object
}

// needed takes out of goes what objects that stay need, until nothing is left to take, and returns it.
func (d *decision) needed(goes map[Ref]bool) []need {
	var found []need
	for i := range d.facts.Objects {
		if !goes[d.facts.Objects[i].Ref] {
			found = d.follow(&d.facts.Objects[i], goes, found)
		}
	}
	return found
}

func (d *decision) follow(stays *Object, goes map[Ref]bool, found []need) []need {
	for _, n := range stays.Needs {
		if !goes[n] {
			continue
		}
		delete(goes, n)
		found = append(found, need{n, stays})
		if o := d.index[n]; o != nil {
			found = d.follow(o, goes, found)
		}
	}
	return found
}

func hasLabel(o *Object, key string) bool {
	_, ok := o.Labels[key]
	return ok
}

// title is how an object is called in a sentence.
func (o *Object) title() string { return string(o.Kind) + " " + o.Name }

// describeAge says how long nobody used an object.
func (d *decision) describeAge(o *Object) string {
	now := d.facts.Taken
	if o.Kind == Container {
		if o.Ended.IsZero() {
			return fmt.Sprintf("made %s ago and never started", shortAge(now.Sub(o.Arrived)))
		}
		return fmt.Sprintf("%s %s ago", o.State, shortAge(now.Sub(o.Ended)))
	}
	since, used := o.unusedSince()
	if used {
		return fmt.Sprintf("unused for %s", shortAge(now.Sub(since)))
	}
	return fmt.Sprintf("never seen used, arrived %s ago", shortAge(now.Sub(since)))
}

// lastWord is what happened last to an object.
func lastWord(o *Object) string {
	switch last := o.last(); last {
	case o.Ended:
		return "stopped"
	case o.Used:
		return "used"
	default:
		return "arrived"
	}
}

// shortAge is "41 days", "2 h", "5 min".
func shortAge(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", max(d, 0)/time.Second)
}
