package diskscan

import (
	"cmp"
	"slices"
	"strings"
)

// Facts are what is known about the objects of an engine.
type Facts struct {
	Containers []ContainerFacts
	Images     []ImageFacts
	Volumes    []VolumeFacts
}

// ContainerFacts are what is known about one container.
type ContainerFacts struct {
	ID, Name, ImageID string
	State             string // running, paused, restarting, created, exited, removing, dead
	Volumes           []string
	Binds             []string // folders of the host
	LogDriver         string
	LogLimited        bool   // it is rotated and old files go
	LogPath           string // of a json-file log
}

// Alive reports whether the container has processes.
func (c *ContainerFacts) Alive() bool {
	return c.State == "running" || c.State == "paused" || c.State == "restarting"
}

// ImageFacts are what is known about one image.
type ImageFacts struct {
	ID       string   // with "sha256:"
	Tags     []string // sorted
	Pullable bool     // it has a digest of a registry
}

// name is how the image is called in a table.
func (i *ImageFacts) name() string {
	if len(i.Tags) == 0 {
		return "<none> " + shortID(i.ID)
	}
	return strings.Join(i.Tags, ", ")
}

// VolumeFacts are what is known about one volume.
type VolumeFacts struct {
	Name      string
	Anonymous bool
}

// index finds facts by id or name.
type index struct {
	facts      *Facts
	containers map[string]*ContainerFacts
	images     map[string]*ImageFacts
	volumes    map[string]*VolumeFacts
	users      map[string][]string // names of containers by volume
	instances  map[string][]string // names of containers by image
}

func (f *Facts) index() *index {
	slices.SortFunc(f.Containers, func(a, b ContainerFacts) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	slices.SortFunc(f.Images, func(a, b ImageFacts) int { return cmp.Compare(a.ID, b.ID) })
	x := &index{
		facts: f, containers: map[string]*ContainerFacts{}, images: map[string]*ImageFacts{}, volumes: map[string]*VolumeFacts{},
		users: map[string][]string{}, instances: map[string][]string{},
	}
	for i := range f.Containers {
		c := &f.Containers[i]
		x.containers[c.ID] = c
		x.instances[c.ImageID] = append(x.instances[c.ImageID], c.Name)
		for _, v := range c.Volumes {
			x.users[v] = append(x.users[v], c.Name)
		}
	}
	for i := range f.Images {
		x.images[f.Images[i].ID] = &f.Images[i]
	}
	for i := range f.Volumes {
		x.volumes[f.Volumes[i].Name] = &f.Volumes[i]
	}
	return x
}

// Freshen takes over what the engine says about objects that are known here. Which there are is not taken from it: the
// files are looked at later, and decide.
func (f *Facts) Freshen(live Facts) {
	x := live.index()
	for i := range f.Containers {
		if c := x.containers[f.Containers[i].ID]; c != nil {
			f.Containers[i].Name, f.Containers[i].State = c.Name, c.State
		}
	}
	for i := range f.Images {
		if img := x.images[f.Images[i].ID]; img != nil {
			f.Images[i].Tags, f.Images[i].Pullable = img.Tags, img.Pullable
		}
	}
	for i := range f.Volumes {
		if v := x.volumes[f.Volumes[i].Name]; v != nil {
			f.Volumes[i].Anonymous = v.Anonymous
		}
	}
}

// The states of things that containers use.
const (
	used   = "used"
	unused = "unused"
)

func usedBy(containers []string) string {
	if len(containers) > 0 {
		return used
	}
	return unused
}

// shortID is an id as Docker shows it.
func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// imageOwner is the owner of what only one image uses.
func (x *index) imageOwner(kind Kind, id string) Owner {
	o := Owner{Kind: kind, Name: "<none> " + shortID(id), ID: id, UsedBy: x.instances[id]}
	if img := x.images[id]; img != nil {
		o.Name = img.name()
	}
	o.State = usedBy(o.UsedBy)
	return o
}

// imagesOwner is the owner of what all these images use.
func (x *index) imagesOwner(alone, shared Kind, ids []string) Owner {
	if len(ids) == 1 {
		return x.imageOwner(alone, ids[0])
	}
	o := Owner{Kind: shared, State: unused}
	for _, id := range ids {
		img := x.imageOwner(alone, id)
		o.UsedBy = append(o.UsedBy, img.Name)
		if img.State == used {
			o.State = used
		}
	}
	slices.Sort(o.UsedBy)
	o.Name = strings.Join(o.UsedBy, " + ")
	return o
}

func (x *index) containerOwner(kind Kind, id string) Owner {
	o := Owner{Kind: kind, Name: shortID(id), ID: id}
	if c := x.containers[id]; c != nil {
		o.Name, o.State = c.Name, c.State
	}
	return o
}

func (x *index) volumeOwner(name string) Owner {
	o := Owner{Kind: Volume, Name: name, UsedBy: x.users[name]}
	if v := x.volumes[name]; v != nil && v.Anonymous || v == nil && isHexID(name) {
		o.Kind = AnonymousVolume
	}
	o.State = usedBy(o.UsedBy)
	return o
}

// isHexID tells a name that an engine has made up.
func isHexID(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}
