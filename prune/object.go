package prune

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Kind is what an object is.
type Kind string

// The kinds of objects, in the order in which they are removed.
const (
	Container Kind = "container"
	Cache     Kind = "cache" // a record of the build cache
	Image     Kind = "image"
	Network   Kind = "network"
	Volume    Kind = "volume"
)

// order is the place of a kind in a removal: who needs others goes before them.
func (k Kind) order() int { return slices.Index([]Kind{Container, Cache, Image, Network, Volume}, k) }

func (k Kind) known() bool { return k.order() >= 0 }

// Ref identifies an object: by its id, volumes by their name.
type Ref struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
}

func (r Ref) compare(s Ref) int {
	return cmp.Or(cmp.Compare(r.Kind.order(), s.Kind.order()), strings.Compare(r.ID, s.ID))
}

// Object is one object with what a decision about it needs. Times that nobody knows are zero.
type Object struct {
	Ref
	Name    string            `json:"name"`              // as it is shown: an image's first tag, its short id when it has none
	Tags    []string          `json:"tags,omitempty"`    // images: name:tag, sorted
	Digests []string          `json:"digests,omitempty"` // images: name@sha256:…, sorted
	Labels  map[string]string `json:"labels,omitempty"`  // its own: a container's without those of its image

	State     string `json:"state,omitempty"`     // containers: running, exited, created…
	Type      string `json:"type,omitempty"`      // build cache: regular, source.local, exec.cachemount…
	Anonymous bool   `json:"anonymous,omitempty"` // volumes with the engine's label: nobody named them
	Step      bool   `json:"step,omitempty"`      // images: a step of a build, which docker hides

	Arrived     time.Time `json:"arrived,omitzero"`
	ArrivedFrom string    `json:"arrived_from,omitempty"` // who says so
	Used        time.Time `json:"used,omitzero"`          // the last use that is known
	UsedFrom    string    `json:"used_from,omitempty"`
	Ended       time.Time `json:"ended,omitzero"` // containers: when they stopped

	Pins  []string `json:"pins,omitempty"`  // why it is in use, beside the needs of other objects
	Needs []Ref    `json:"needs,omitempty"` // objects that must stay as long as it does
	Units []string `json:"units,omitempty"` // what it holds on the disk

	Path string          `json:"-"` // volumes: where the files are; containers: the writable layer
	Raw  json.RawMessage `json:"-"` // the engine's document
}

// last is when something last happened to an object: it arrived, was used, or stopped.
func (o *Object) last() time.Time {
	last := o.Arrived
	for _, t := range []time.Time{o.Used, o.Ended} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// unusedSince is when an image, volume, network or cache record was last used: its arrival, when no use is known.
func (o *Object) unusedSince() (since time.Time, used bool) {
	if !o.Used.IsZero() {
		return o.Used, true
	}
	return o.last(), false
}

// repositories are the names of an image without tags.
func (o *Object) repositories() []string {
	var list []string
	for _, t := range o.Tags {
		repository, _ := splitTag(t)
		list = append(list, repository)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// origins are the repositories that an image is of, or was before its tag went to another one.
func (o *Object) origins() []string {
	list := o.repositories()
	for _, d := range o.Digests {
		repository, _, _ := strings.Cut(d, "@")
		list = append(list, repository)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// dangling is an image that nobody can call by name, and that is no step of another one's build.
func (o *Object) dangling() bool { return o.Kind == Image && len(o.Tags) == 0 && !o.Step }

// splitTag cuts "host:5000/app:1" before the tag.
func splitTag(ref string) (repository, tag string) {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}
