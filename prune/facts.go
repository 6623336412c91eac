package prune

import (
	"slices"
	"time"
)

// Facts are what a host holds at one moment. A decision depends on nothing else.
type Facts struct {
	Engine  EngineFacts      `json:"engine"`
	Taken   time.Time        `json:"taken"`
	Objects []Object         `json:"objects"` // sorted by kind, name and id
	Units   map[string]int64 `json:"units"`   // bytes on the disk; what is missing is not known
	// Foreign are units that something holds which is no object of this engine, and who that is.
	Foreign map[string]string `json:"foreign,omitempty"`
	Space   *Space            `json:"space,omitempty"` // nil when it cannot be seen from here
	Notes   []string          `json:"notes,omitempty"` // what could not be found out
}

// EngineFacts identify an engine.
type EngineFacts struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
	Version  string `json:"version"`
	Store    string `json:"store"` // "graphdriver" or "containerd"
	DataRoot string `json:"data_root"`
	Local    bool   `json:"local"`
}

// Space is the room on a file system.
type Space struct {
	Path       string `json:"path"`
	Total      uint64 `json:"total"`
	Free       uint64 `json:"free"` // for everybody, as df says
	Inodes     uint64 `json:"inodes"`
	FreeInodes uint64 `json:"free_inodes"`
}

// index finds objects by reference.
func (f *Facts) index() map[Ref]*Object {
	found := make(map[Ref]*Object, len(f.Objects))
	for i := range f.Objects {
		found[f.Objects[i].Ref] = &f.Objects[i]
	}
	return found
}

// users leads from an object to those that need it.
func (f *Facts) users() map[Ref][]*Object {
	users := map[Ref][]*Object{}
	for i := range f.Objects {
		o := &f.Objects[i]
		for _, n := range o.Needs {
			users[n] = append(users[n], o)
		}
	}
	return users
}

func (f *Facts) sort() {
	slices.SortFunc(f.Objects, func(a, b Object) int {
		if c := a.Kind.order() - b.Kind.order(); c != 0 {
			return c
		}
		if a.Name != b.Name && a.Name < b.Name {
			return -1
		} else if a.Name != b.Name {
			return 1
		}
		return a.compare(b.Ref)
	})
}
