package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"davit/backup/repo"
	"davit/engine"
	"davit/engine/guard"
)

// savedContainer is a container as a snapshot holds it.
type savedContainer struct {
	item  repo.Item
	id    string
	raw   json.RawMessage
	facts containerFacts
	order guard.Target // names it and what it needs, for sorting
}

// addContainers adds containers in the order in which they can be made: what others refer to first.
func (b *restoreBuilder) addContainers(ctx context.Context, items []repo.Item) error {
	if !b.options.Containers && b.ref.Kind != KindContainer {
		return nil
	}
	saved, err := b.readContainers(ctx, items)
	if err != nil {
		return err
	}
	var starts []RestoreStep
	for _, c := range inOrder(saved) {
		b.addContainer(c, saved)
		if b.options.Start && annotatedFlag(c.item, annRunning, false) {
			starts = append(starts, RestoreStep{
				Action: ActionStartContainer, Kind: KindContainer, Name: c.item.Name, Target: c.item.Name, item: c.item,
			})
		}
	}
	b.plan.Steps = append(b.plan.Steps, starts...)
	return nil
}

func (b *restoreBuilder) readContainers(ctx context.Context, items []repo.Item) ([]savedContainer, error) {
	var list []savedContainer
	for _, it := range items {
		if it.Kind != KindContainer {
			continue
		}
		raw, _, err := readDefinition(ctx, b.env.Repo, it.Desc)
		if err != nil {
			return nil, fmt.Errorf("read definition of container %s: %w", it.Name, err)
		}
		var doc struct {
			ID     string `json:"Id"`
			Config struct{ Labels map[string]string }
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("read definition of container %s: %w", it.Name, err)
		}
		c := savedContainer{item: it, id: doc.ID, raw: raw, facts: readContainerFacts(raw)}
		c.order = guard.Target{
			ID: doc.ID, Name: it.Name,
			Project: doc.Config.Labels[composePrefix+"project"],
			Service: doc.Config.Labels[composePrefix+"service"],
			DependsOn: append(composeDependencies(doc.Config.Labels[composePrefix+"depends_on"]),
				c.facts.needs()...),
		}
		list = append(list, c)
	}
	return list, nil
}

// composeDependencies reads compose's label: "db:service_healthy:true,cache:service_started:false".
func composeDependencies(label string) []string {
	var services []string
	for entry := range strings.SplitSeq(label, ",") {
		if service, _, _ := strings.Cut(entry, ":"); service != "" {
			services = append(services, service)
		}
	}
	return services
}

// inOrder sorts containers so that each comes after those it needs.
func inOrder(saved []savedContainer) []savedContainer {
	var targets []guard.Target
	byID := map[string]savedContainer{}
	for _, c := range saved {
		targets = append(targets, c.order)
		byID[c.id] = c
	}
	var sorted []savedContainer
	for _, level := range slices.Backward(guard.StopOrder(targets)) {
		for _, t := range level {
			sorted = append(sorted, byID[t.ID])
		}
	}
	return sorted
}

func (b *restoreBuilder) addContainer(c savedContainer, all []savedContainer) {
	left := ""
	_, begun := b.restored(c.item, c.item.Name, "")
	if here, ok := b.inv.container(c.item.Name); ok && here.Name == c.item.Name {
		if b.keepRestored(c.item, c.item.Name, c.item.Name, here.ID) {
			return
		}
		if begun && neverStarted(here) && sameCommand(here.Raw, c.raw) {
			left = here.ID
		} else {
			b.refuse(c.item, "a container of this name exists already", "rename or remove it first, or leave it out with --only")
			return
		}
	}
	step := RestoreStep{
		Action: ActionCreateContainer, Kind: KindContainer, Name: c.item.Name, Target: c.item.Name,
		item: c.item, names: map[string]string{}, left: left, begun: begun,
	}
	if left != "" {
		step.addNote("made again: its making was cut short")
	}
	for _, other := range all {
		step.names[other.id] = other.item.Name
	}
	if bytes := annotatedNumber(c.item, annLayerBytes, 0); bytes > defaultLayerWarning {
		if _, ok := b.snapshot.Find(KindRWLayer, c.item.Name); ok {
			b.note("the writable layer of container %s is in the snapshot: restore it with --to", c.item.Name)
		} else {
			b.plan.layers = append(b.plan.layers, UnsavedLayer{Container: c.item.Name, Bytes: bytes})
			step.addNote(fmt.Sprintf("its writable layer held %s that were not saved", sizeText(bytes)))
		}
	}
	b.plan.Steps = append(b.plan.Steps, step)
}

// neverStarted reports whether a container was made and no more.
func neverStarted(c engine.Container) bool {
	var doc struct {
		State struct{ Status, StartedAt string }
	}
	if json.Unmarshal(c.Raw, &doc) != nil {
		return false
	}
	return doc.State.Status == "created" && strings.HasPrefix(doc.State.StartedAt, "0001-01-01T")
}

// sameCommand reports whether two containers were made for the same: then one of them may be what a restore of the other has
// begun to make, and not somebody else's.
func sameCommand(a, b json.RawMessage) bool {
	type command struct {
		Config struct {
			Cmd, Entrypoint []string
			Labels          map[string]string
		}
	}
	var x, y command
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
