package backup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"davit/engine"
)

const composePrefix = "com.docker.compose."

// chosen is what a selection names on a host, before rules leave any of it out.
type chosen struct {
	containers map[string]engine.Container // by id
	volumes    map[string]bool             // true: named by the caller, so that a label does not leave it out
	binds      map[string][]string         // source -> containers
	images     map[string]bool             // by id
	networks   map[string]bool             // by name
	skipped    []Skipped
	notes      []string
}

// choose says what a selection names. What the caller names and the host does
// not have is a *NotFoundError.
func choose(inv *inventory, s Selection) (*chosen, error) {
	c := &chosen{
		containers: map[string]engine.Container{},
		volumes:    map[string]bool{},
		binds:      map[string][]string{},
		images:     map[string]bool{},
		networks:   map[string]bool{},
	}
	if s.Everything() {
		c.everything(inv)
	}
	for _, step := range []func(*inventory, Selection) error{
		c.nameVolumes, c.nameContainers, c.nameProjects, c.nameImages,
	} {
		if err := step(inv, s); err != nil {
			return nil, err
		}
	}
	c.leaveOutLabelled(inv)
	if s.Binds {
		for _, ctr := range inv.containers {
			if !inv.excluded(ctr) {
				c.addBinds(ctr)
			}
		}
	}
	if s.NoImages {
		clear(c.images)
	}
	return c, nil
}

func (c *chosen) everything(inv *inventory) {
	for _, ctr := range inv.containers {
		if inv.excluded(ctr) {
			c.skip(KindContainer, ctr.Name, "label "+LabelBackup+"=false", nil)
			continue
		}
		c.containers[ctr.ID] = ctr
		c.addBinds(ctr)
	}
	for _, v := range inv.volumes {
		c.wholeHostVolume(inv, v)
	}
	c.wholeHostImages(inv)
	for _, n := range inv.networks {
		if !n.Predefined {
			c.networks[n.Name] = true
		}
	}
}

func (c *chosen) wholeHostVolume(inv *inventory, v engine.Volume) {
	users := inv.users(v.Name)
	kept := slices.DeleteFunc(slices.Clone(users), inv.excluded)
	switch {
	case v.Labels[LabelBackup] == "false":
		c.skip(KindVolume, v.Name, "label "+LabelBackup+"=false", names(users))
	case v.Anonymous && len(users) == 0:
		c.skip(KindVolume, v.Name, "anonymous and used by no container", nil)
	case v.Anonymous && len(kept) == 0:
		c.skip(KindVolume, v.Name, "anonymous and used only by containers with label "+LabelBackup+"=false", names(users))
	default:
		c.volumes[v.Name] = false
	}
}

func (c *chosen) wholeHostImages(inv *inventory) {
	used := map[string]bool{}
	for _, ctr := range c.containers {
		used[ctr.ImageID] = true
	}
	untagged := 0
	for _, img := range inv.images {
		if len(img.Tags) > 0 || used[img.ID] {
			c.images[img.ID] = true
			continue
		}
		untagged++
	}
	if untagged > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%d untagged %s that no container uses %s left out",
			untagged, plural(untagged, "image", "images"), plural(untagged, "is", "are")))
	}
}

func (c *chosen) nameVolumes(inv *inventory, s Selection) error {
	for _, name := range s.Volumes {
		if _, ok := inv.volume(name); !ok {
			return &NotFoundError{What: KindVolume, Name: name, Where: "this host"}
		}
		c.volumes[name] = true
	}
	return nil
}

func (c *chosen) nameContainers(inv *inventory, s Selection) error {
	for _, ref := range s.Containers {
		ctr, ok := inv.container(ref)
		if !ok {
			return &NotFoundError{What: KindContainer, Name: ref, Where: "this host"}
		}
		c.addContainer(inv, ctr)
	}
	return nil
}

// addContainer selects a container with what it needs to run again.
func (c *chosen) addContainer(inv *inventory, ctr engine.Container) {
	c.containers[ctr.ID] = ctr
	c.addBinds(ctr)
	for _, m := range ctr.Mounts {
		if m.Type == "volume" && m.Name != "" {
			c.volumes[m.Name] = c.volumes[m.Name] || false
		}
	}
	if ctr.ImageID != "" {
		c.images[ctr.ImageID] = true
	}
	attached := readContainerFacts(ctr.Raw).networks
	for _, n := range inv.networks {
		if !n.Predefined && slices.Contains(attached, n.Name) {
			c.networks[n.Name] = true
		}
	}
}

func (c *chosen) nameProjects(inv *inventory, s Selection) error {
	for _, project := range s.Projects {
		found := false
		for _, ctr := range inv.containers {
			if ctr.Project != project {
				continue
			}
			found = true
			if inv.excluded(ctr) {
				c.skip(KindContainer, ctr.Name, "label "+LabelBackup+"=false", nil)
				continue
			}
			c.addContainer(inv, ctr)
		}
		for _, v := range inv.volumes {
			if v.Labels[composePrefix+"project"] == project {
				found = true
				c.volumes[v.Name] = c.volumes[v.Name] || false
			}
		}
		for _, n := range inv.networks {
			if n.Labels[composePrefix+"project"] == project {
				c.networks[n.Name] = true
			}
		}
		if !found {
			return &NotFoundError{What: "project", Name: project, Where: "this host"}
		}
	}
	return nil
}

// leaveOutLabelled drops volumes that came along with a container or project
// and have the label; one that the caller names stays.
func (c *chosen) leaveOutLabelled(inv *inventory) {
	for _, name := range slices.Sorted(maps.Keys(c.volumes)) {
		v, ok := inv.volume(name)
		switch {
		case !ok:
			delete(c.volumes, name)
			c.skip(KindVolume, name, "the engine does not know it any more", nil)
		case !c.volumes[name] && v.Labels[LabelBackup] == "false":
			delete(c.volumes, name)
			c.skip(KindVolume, name, "label "+LabelBackup+"=false", names(inv.users(name)))
		}
	}
}

func (c *chosen) nameImages(inv *inventory, s Selection) error {
	for _, ref := range s.Images {
		img, ok := inv.image(ref)
		if !ok {
			return &NotFoundError{What: KindImage, Name: ref, Where: "this host"}
		}
		c.images[img.ID] = true
	}
	return nil
}

func (c *chosen) addBinds(ctr engine.Container) {
	for _, m := range ctr.Mounts {
		if m.Type != "bind" || m.Source == "" || slices.Contains(c.binds[m.Source], ctr.Name) {
			continue
		}
		c.binds[m.Source] = append(c.binds[m.Source], ctr.Name)
	}
}

func (c *chosen) skip(kind, name, reason string, containers []string) {
	same := func(s Skipped) bool { return s.Kind == kind && s.Name == name }
	if slices.ContainsFunc(c.skipped, same) {
		return
	}
	c.skipped = append(c.skipped, Skipped{Kind: kind, Name: name, Reason: reason, Containers: containers})
}

// sortedContainers is the chosen containers by name.
func (c *chosen) sortedContainers() []engine.Container {
	return slices.SortedFunc(maps.Values(c.containers), func(a, b engine.Container) int {
		return strings.Compare(a.Name, b.Name)
	})
}
