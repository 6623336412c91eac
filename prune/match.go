package prune

import (
	"path"
	"slices"
	"strings"
	"time"
)

// protects tells whether a selector protects an object: here one matching name of several is enough.
func (s *Selector) protects(o *Object, now time.Time) bool {
	some := func(globs, names []string) bool {
		return len(globs) == 0 || slices.ContainsFunc(names, matchesAny(globs))
	}
	return some(s.Ref, slices.Concat(o.Tags, o.Digests)) && s.scope(o, false) && s.old(o, now)
}

// selects tells whether a rule's selector selects an object: every name must match.
func (s *Selector) selects(o *Object, now time.Time) bool { return s.scope(o, true) && s.old(o, now) }

// scope is all of a selector but the times. strict wants every tag of an image to match.
func (s *Selector) scope(o *Object, strict bool) bool {
	if s.Kind != "" && s.Kind != o.Kind {
		return false
	}
	if strict && len(s.Ref) > 0 && (len(o.Tags) == 0 || slices.ContainsFunc(o.Tags, not(matchesAny(s.Ref)))) {
		return false
	}
	if len(s.Name) > 0 && !slices.ContainsFunc(s.Name, func(g string) bool { return glob(g, o.Name) }) {
		return false
	}
	return (len(s.Type) == 0 || slices.Contains(s.Type, o.Type)) &&
		(len(s.State) == 0 || slices.Contains(s.State, o.State)) &&
		(s.Dangling == nil || *s.Dangling == o.dangling()) &&
		s.volumes(o, strict) && s.labels(o)
}

// volumes keeps a rule away from named volumes unless it asks for them.
func (s *Selector) volumes(o *Object, strict bool) bool {
	if o.Kind != Volume {
		return true
	}
	if strict && !o.Anonymous && (s.Named == nil || !*s.Named) {
		return false
	}
	return (s.Anonymous == nil || *s.Anonymous == o.Anonymous) && (s.Named == nil || *s.Named != o.Anonymous)
}

func (s *Selector) labels(o *Object) bool {
	for _, want := range s.Label {
		want, without := strings.CutPrefix(want, "!")
		key, value, valued := strings.Cut(want, "=")
		have, ok := o.Labels[key]
		if valued {
			ok = ok && have == value
		}
		if ok == without {
			return false
		}
	}
	return true
}

// old checks the times. One that nobody knows is never long ago.
func (s *Selector) old(o *Object, now time.Time) bool {
	longer := func(age *Age, since time.Time) bool {
		return age == nil || !since.IsZero() && now.Sub(since) >= age.Duration
	}
	since, _ := o.unusedSince()
	ended := o.Ended
	if ended.IsZero() && o.Kind == Container {
		ended = o.Arrived
	}
	return longer(s.Unused, since) && longer(s.Exited, ended) && longer(s.Age, o.Arrived)
}

// matchesAny matches image references: a pattern without a tag means all tags of the name.
func matchesAny(globs []string) func(ref string) bool {
	return func(ref string) bool {
		name, _, _ := strings.Cut(ref, "@")
		repository, _ := splitTag(name)
		return slices.ContainsFunc(globs, func(g string) bool {
			return glob(g, ref) || glob(g, repository) || glob(g, name)
		})
	}
}

func not(f func(string) bool) func(string) bool { return func(s string) bool { return !f(s) } }

// glob matches a whole text; "*" does not cross a slash, but "**" alone matches everything.
func glob(pattern, text string) bool {
	ok, _ := path.Match(pattern, text) // checked when the policy was read
	return ok || pattern == "**"
}

// CheckPatterns says which pattern is none, as *PolicyError.
func CheckPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return &PolicyError{Name: "pattern", Reason: "cannot be read: " + p}
		}
	}
	return nil
}
