package backup

import (
	"context"
	"fmt"
	"slices"

	"davit/engine"
	"davit/engine/guard"
)

// writer is a running container with the real paths of what it can write.
type writer struct {
	container engine.Container
	paths     []string
	layer     string // its own writable layer, "" when unknown
}

// touches reports whether the container can write into a folder that is read.
func (w *writer) touches(source string) bool {
	if w.layer != "" && overlap(w.layer, source) {
		return true
	}
	return slices.ContainsFunc(w.paths, func(p string) bool { return overlap(p, source) })
}

// writers returns the running containers and what they can write. A mount of the whole host, or of the
// folder that holds every volume, is left out: it belongs to a tool that looks after the host, would join
// all containers into one group, and is named in notes.
func writers(inv *inventory) (list []writer, notes []string) {
	root := ""
	if inv.info.DataRoot != "" {
		root = realPath(inv.info.DataRoot)
	}
	for _, c := range inv.containers {
		if !c.Running {
			continue
		}
		w := writer{container: c, layer: c.UpperDir}
		for _, m := range c.Mounts {
			if !m.RW || m.Source == "" || m.Type != "bind" && m.Type != "volume" {
				continue
			}
			path := mountSource(inv, m)
			if path == "/" || root != "" && within(path, root+"/volumes") {
				notes = append(notes, "container "+c.Name+" can write to "+path+", with every volume in it: it is not held for that")
				continue
			}
			w.paths = append(w.paths, path)
		}
		list = append(list, w)
	}
	return list, notes
}

// mountSource is the real path that a mount writes to: a volume made of a bind mount writes to what it binds.
func mountSource(inv *inventory, m engine.Mount) string {
	if m.Type == "volume" {
		if v, ok := inv.volume(m.Name); ok {
			return volumeSource(v)
		}
	}
	return realPath(m.Source)
}

// volumeSource is the real path of a volume's files. For grouping only: a volume that binds a folder
// has to be mounted before it is read.
func volumeSource(v engine.Volume) string {
	if device := v.Options["device"]; bindOption(v) && device != "" {
		return realPath(device)
	}
	if v.Mountpoint == "" {
		return ""
	}
	return realPath(v.Mountpoint)
}

// source is an item whose folder is read, as the index into the plan's items.
type source struct {
	item int
	path string
}

// join puts writers and the folders they can write into sets: two of either that are
// linked by a chain of overlaps are in one set. A folder that nobody writes, and
// a container that writes to none of them, is in no set.
func join(sources []source, list []writer) []set {
	var sets []set
	for i := range list {
		var mine set
		for _, s := range sources {
			if s.path != "" && list[i].touches(s.path) {
				mine.sources = append(mine.sources, s)
			}
		}
		if len(mine.sources) == 0 {
			continue
		}
		mine.writers = []*writer{&list[i]}
		sets = mine.absorb(sets)
	}
	for i := range sets {
		slices.SortFunc(sets[i].sources, func(a, b source) int { return a.item - b.item })
	}
	return sets
}

// set is a group in the making.
type set struct {
	sources []source
	writers []*writer
}

// absorb merges the sets that share a folder with s, and those of nested folders, into one.
func (s set) absorb(sets []set) []set {
	var apart []set
	for _, other := range sets {
		if !s.meets(other) {
			apart = append(apart, other)
			continue
		}
		for _, src := range other.sources {
			if !slices.Contains(s.sources, src) {
				s.sources = append(s.sources, src)
			}
		}
		s.writers = append(other.writers, s.writers...)
	}
	return append(apart, s)
}

func (s set) meets(other set) bool {
	return slices.ContainsFunc(s.sources, func(a source) bool {
		return slices.ContainsFunc(other.sources, func(b source) bool {
			return a.item == b.item || overlap(a.path, b.path)
		})
	})
}

// planGroups fills in Groups and what the items say of how they are read.
func (p *CreatePlan) planGroups(inv *inventory, rules *holdRules, sources []source) {
	list, notes := writers(inv)
	p.Notes = append(p.Notes, notes...)
	p.inv, p.rules = inv, rules
	for _, s := range join(sources, list) {
		g := Group{Consistency: rules.consistency, sources: s.sources}
		for _, w := range s.writers {
			p.addMember(&g, w)
			p.addHook(&g, w)
		}
		held := g.holds() || len(g.Hooks) > 0
		index := -1
		if held {
			index = len(p.Groups)
		}
		for _, src := range s.sources {
			p.Items[src.item].Group = index
			g.Items = append(g.Items, p.Items[src.item].Ref())
		}
		if held {
			p.Groups = append(p.Groups, g)
		} else {
			p.noteUnheld(g)
		}
	}
}

// addMember decides how a container is held, and writes that into the items it can write.
func (p *CreatePlan) addMember(g *Group, w *writer) {
	hold, why, still := p.rules.decide(w.container)
	g.Containers = append(g.Containers, Member{
		ID: w.container.ID, Name: w.container.Name, Hold: hold, Why: why, target: guardTarget(w.container),
	})
	p.markItems(g.sources, w, still)
}

// holds reports whether a group has a container to hold.
func (g *Group) holds() bool {
	return slices.ContainsFunc(g.Containers, func(m Member) bool { return m.Hold != HoldNone })
}

// refresh looks again who writes to a group's items: warm passes take their time, and containers may have been
// made anew or started meanwhile.
func (p *CreatePlan) refresh(ctx context.Context, h Host, g *Group) error {
	containers, err := h.Containers(ctx)
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	inv := *p.inv
	inv.setContainers(containers)
	if err := inv.readOwnLabels(ctx, h); err != nil {
		return err
	}
	p.inv = &inv
	g.Containers = nil
	list, _ := writers(&inv)
	for i := range list {
		touches := func(s source) bool { return list[i].touches(s.path) }
		if slices.ContainsFunc(g.sources, touches) {
			p.addMember(g, &list[i])
		}
	}
	return nil
}

// markItems writes into the items that a container can write, and whether they are read
// while it is still.
func (p *CreatePlan) markItems(sources []source, w *writer, still bool) {
	for _, src := range sources {
		if !w.touches(src.path) {
			continue
		}
		it := &p.Items[src.item]
		if !slices.Contains(it.Containers, w.container.Name) {
			it.Containers = append(it.Containers, w.container.Name)
		}
		if !still {
			it.Consistency = ConsistencyLive
		}
	}
}

// noteUnheld says why none of the containers that write to some items is held.
func (p *CreatePlan) noteUnheld(g Group) {
	for _, m := range g.Containers {
		if m.Why != "" {
			p.Notes = append(p.Notes, "container "+m.Name+" is not held: "+m.Why)
		}
	}
}

// guardTarget is a container as the guard finds it again, also after it was made anew.
func guardTarget(c engine.Container) guard.Target {
	return guard.Target{
		ID: c.ID, Name: c.Name, Project: c.Project, Service: c.Service,
		Number:    c.Labels[composePrefix+"container-number"],
		DependsOn: append(slices.Clone(c.DependsOn), readContainerFacts(c.Raw).needs()...),
	}
}
