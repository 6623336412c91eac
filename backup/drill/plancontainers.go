package drill

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"davit/backup"
	"davit/backup/archive"
	"davit/backup/hook"
	"davit/backup/repo"
	"davit/engine"
)

// addContainers adds containers, with what they need.
func (b *planner) addContainers(ctx context.Context, levels [][]backup.SavedContainer) error {
	s := &stage{run: b.plan.Run, containers: map[string]string{}, networks: map[string]string{}}
	s.mounts = func(m savedMount, sub string) (string, string, string) { return b.mount(ctx, m, sub) }
	docs := map[string]*savedDoc{}
	n := 0
	for i, level := range levels {
		var kept []backup.SavedContainer
		for _, c := range level {
			doc, err := readSaved(c.Raw)
			if err != nil {
				return fmt.Errorf("container %s: %w", c.Name, err)
			}
			if !b.image(doc, c.Name) {
				continue
			}
			n++
			name := scratchName(b.plan.Run, "c", n, c.Name)
			docs[c.Name] = doc
			s.containers[c.Name], s.containers[c.ID] = name, name
			for _, net := range doc.networks() {
				b.network(s, net)
			}
			kept = append(kept, c)
		}
		levels[i] = kept
	}
	b.plan.Containers = make([]Container, 0, n) // levels point into it
	for _, level := range levels {
		var made []*Container
		for _, c := range level {
			made = append(made, b.container(c, docs[c.Name], s))
		}
		b.plan.levels = append(b.plan.levels, made)
	}
	return nil
}

func (b *planner) container(c backup.SavedContainer, doc *savedDoc, s *stage) *Container {
	planned := Container{Of: c.Name, Name: s.containers[c.Name], Image: doc.Config.Image, Start: c.Running, Changes: []string{}, Probes: []Probe{}}
	policy := doc.HostConfig.RestartPolicy.Name
	planned.restarts = policy != "" && policy != "no"
	var changes []string
	planned.scratch, changes = scratchDefinition(doc, c.Name, planned.Name, s)
	planned.Changes = append(planned.Changes, changes...)
	labels := ownedBy{given: b.plan.Options.Labels[c.Name], saved: doc.Config.Labels, imageID: doc.Image}
	b.plan.labels[c.Name] = labels
	if c.Running {
		planned.Probes = append(planned.Probes, b.probes(c.Name, labels)...)
	} else {
		b.leave(backup.FormatItem(backup.KindContainer, c.Name), "did not run when it was saved: it is made and not started", false)
	}
	if backup.LargeLayer(c.Item) {
		b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("container %s had written into its own file system, which a container that is made anew does not have", c.Name))
	}
	b.plan.Containers = append(b.plan.Containers, planned)
	return &b.plan.Containers[len(b.plan.Containers)-1]
}

// probes are those that were given for a container, and those of its labels.
func (b *planner) probes(container string, labels ownedBy) []Probe {
	var list []Probe
	for _, p := range b.plan.Options.Probes {
		if p.Container == container {
			list = append(list, p)
		}
	}
	for _, label := range []string{backup.LabelApp, LabelProbe} {
		value, given := labels.given[label]
		if !given {
			value = labels.saved[label]
		}
		if value == "" {
			continue
		}
		c, ok := hook.Probe(value)
		if label == LabelProbe {
			var err error
			if c, ok, err = hook.ParseCommand(value); err != nil {
				b.leave(backup.FormatItem(backup.KindContainer, container), fmt.Sprintf("label %s: %v", label, err), false)
				continue
			}
		}
		if ok {
			list = append(list, Probe{Container: container, From: "label " + label, Text: c.Text, command: c})
		}
	}
	return list
}

func (b *planner) network(s *stage, of string) {
	if s.networks[of] != "" {
		return
	}
	name := scratchName(b.plan.Run, "n", len(b.plan.Networks)+1, of)
	s.networks[of] = name
	b.plan.Networks = append(b.plan.Networks, Network{Of: of, Name: name})
}

// image finds the image of a container: here by its id, in the snapshot, or here by its name. Without any the container
// is no part of the drill.
func (b *planner) image(doc *savedDoc, container string) bool {
	here := slices.ContainsFunc(b.images, func(i engine.Image) bool { return i.ID == doc.Image })
	it, img, saved := b.savedImage(doc)
	ref := doc.Config.Image
	switch {
	case here:
		if !saved {
			b.leave(backup.FormatItem(backup.KindImage, ref), "is not in the snapshot: it is here, and elsewhere it has to be pulled", false)
		}
		b.addImage(Image{Name: ref, ID: doc.Image, Action: ImageUse})
	case saved:
		n := len(b.plan.Images) + 1
		b.addImage(Image{
			Name: ref, ID: doc.Image, Action: ImageLoad, Item: backup.FormatItem(it.Kind, it.Name), image: img,
			Tag: tagPrefix(b.plan.Run) + strconv.Itoa(n), Bytes: max(backup.Saved(it).Bytes, 0),
		})
	default:
		b.leave(backup.FormatItem(backup.KindContainer, container), "its image "+ref+" is neither in the snapshot nor here", true)
		return false
	}
	return true
}

// savedImage finds an image in the snapshot.
func (b *planner) savedImage(doc *savedDoc) (repo.Item, archive.ImageItem, bool) {
	for _, it := range b.plan.snapshot.Items {
		if it.Kind != backup.KindImage {
			continue
		}
		img, err := archive.ParseItem(it.Desc, it.Annotations)
		if err == nil && img.ID == doc.Image {
			return it, img, true
		}
	}
	return repo.Item{}, archive.ImageItem{}, false
}

func (b *planner) addImage(i Image) {
	if !slices.ContainsFunc(b.plan.Images, func(known Image) bool { return known.ID == i.ID }) {
		b.plan.Images = append(b.plan.Images, i)
		b.plan.bytes += i.Bytes
	}
}
