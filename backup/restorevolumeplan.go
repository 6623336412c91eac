package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"davit/backup/repo"
	"davit/engine"
)

// volumeSpec reads what a volume is made from out of its inspect document.
func volumeSpec(data []byte) (engine.VolumeSpec, error) {
	var doc struct {
		Name, Driver    string
		Options, Labels map[string]string
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return engine.VolumeSpec{}, fmt.Errorf("decode: %w", err)
	}
	return engine.VolumeSpec{Name: doc.Name, Driver: doc.Driver, Options: doc.Options, Labels: doc.Labels}, nil
}

// plainSpec reports whether a volume made from a spec keeps its files in its own folder.
func plainSpec(s engine.VolumeSpec) bool {
	return plainLocal(engine.Volume{Driver: s.Driver, Options: s.Options})
}

// addVolumes adds volumes: made anew, filled when they are empty, or replaced in place.
func (b *restoreBuilder) addVolumes(ctx context.Context, items []repo.Item) error {
	for _, it := range items {
		if it.Kind != KindVolume {
			continue
		}
		if !b.reachable(it) {
			continue
		}
		spec, known, err := b.definitionOf(ctx, it.Name)
		if err != nil {
			return err
		}
		v, exists := b.inv.volume(it.Name)
		switch {
		case exists && !b.inv.local:
			b.fillFarVolume(it, v)
		case exists && b.options.InPlace:
			err = b.replaceVolume(it, v)
		case exists:
			err = b.fillVolume(it, v)
		default:
			b.createVolume(it, spec, known)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *restoreBuilder) createVolume(it repo.Item, spec engine.VolumeSpec, known bool) {
	step := treeStep(ActionCreateVolume, it, spec.Name)
	step.spec = &spec
	if !known {
		step.addNote("its definition is not in the snapshot: made with the local driver")
	}
	if !plainSpec(spec) {
		step.addNote("its files are written to its device, unless that holds some already")
	}
	if b.inv.local {
		b.room.add(filepath.Join(b.inv.info.DataRoot, "volumes"), it)
	} else {
		b.elsewhere(&step)
	}
	b.plan.Steps = append(b.plan.Steps, step)
}

// elsewhere says by what a step writes on another machine.
func (b *restoreBuilder) elsewhere(step *RestoreStep) {
	step.far, step.copied = b.inv.agents, b.inv.copies
	if step.copied {
		step.addNote("copied by the engine, and " + notWritten)
	}
}

// reachable refuses an item whose files would lie where nobody here can write.
func (b *restoreBuilder) reachable(it repo.Item) bool {
	if b.inv.local || b.inv.agents || b.inv.copies {
		return true
	}
	b.refuse(it, "the engine is not local: "+b.inv.notLocal, "--to DIR writes its files here")
	return false
}

// fillFarVolume restores into a volume of another machine, if it turns out to be empty: nobody can tell before an
// agent looks.
func (b *restoreBuilder) fillFarVolume(it repo.Item, v engine.Volume) {
	switch running := b.runningUsers(v); {
	case b.options.InPlace:
		b.refuse(it, "a volume is replaced in place only on the engine's own machine", "run davit there, or use --to-volume NAME")
	case len(running) > 0:
		b.refuse(it, "volume exists and is in use by "+joinNames(names(running)), "stop these containers, or use --to-volume NAME")
	default:
		step := treeStep(ActionFillVolume, it, v.Name)
		b.elsewhere(&step)
		step.addNote("if it is empty, which is seen when it is written")
		b.plan.Steps = append(b.plan.Steps, step)
	}
}

// fillVolume restores into a volume that exists and is empty.
func (b *restoreBuilder) fillVolume(it repo.Item, v engine.Volume) error {
	const hint = "--in-place replaces it and keeps the old data, --to-volume NAME makes another"
	if !plainLocal(v) {
		b.refuse(it, "volume exists and its files are on a device", "--to DIR writes its files elsewhere")
		return nil
	}
	if b.keepRestored(it, v.Mountpoint, v.Name, "") {
		return nil
	}
	empty, err := absentOrEmpty(v.Mountpoint)
	if err != nil {
		return err
	}
	if !empty {
		b.refuse(it, "volume exists and holds data", hint)
		return nil
	}
	if running := b.runningUsers(v); len(running) > 0 {
		b.refuse(it, "volume exists and is in use by "+joinNames(names(running)), "stop these containers, or use --in-place, which does")
		return nil
	}
	b.room.add(v.Mountpoint, it)
	b.plan.Steps = append(b.plan.Steps, treeStep(ActionFillVolume, it, v.Name))
	return nil
}

// runningUsers are the running containers that see a volume's folder, however they mount it.
func (b *restoreBuilder) runningUsers(v engine.Volume) []engine.Container {
	path := volumeSource(v)
	var users []engine.Container
	for _, c := range b.inv.containers {
		for _, m := range c.Mounts {
			if c.Running && m.Source != "" && mountSource(b.inv, m) != "/" && overlap(mountSource(b.inv, m), path) {
				users = append(users, c)
				break
			}
		}
	}
	return users
}

// replaceVolume plans to swap a volume's folder while its users are stopped.
func (b *restoreBuilder) replaceVolume(it repo.Item, v engine.Volume) error {
	const elsewhere = "--to DIR writes its files elsewhere"
	if !plainLocal(v) || filepath.Base(v.Mountpoint) != "_data" {
		b.refuse(it, "only plain local volumes are replaced in place, and this one is on a device or of another driver", elsewhere)
		return nil
	}
	if mounted, err := isMountPoint(v.Mountpoint); err != nil {
		return err
	} else if mounted {
		b.refuse(it, v.Mountpoint+" is a mount point and cannot be renamed", elsewhere)
		return nil
	}
	step := treeStep(ActionReplaceVolume, it, v.Name)
	step.volume = &v
	for _, c := range b.runningUsers(v) {
		switch {
		case c.Swarm:
			b.refuse(it, "container "+c.Name+" belongs to a swarm service, which would start another", "scale the service to 0, or "+elsewhere)
			return nil
		case c.AutoRemove && !b.options.AllowRMLoss:
			b.refuse(it, "stopping the --rm container "+c.Name+" deletes it and its anonymous volumes", "--allow-rm-loss stops it all the same")
			return nil
		}
		step.Stops = append(step.Stops, c.Name)
		step.users = append(step.users, guardTarget(c))
	}
	b.room.add(v.Mountpoint, it)
	b.plan.Steps = append(b.plan.Steps, step)
	return nil
}

// addToVolume restores one item into a new volume. It is a plain local one: made with the options
// of the original, two volumes would share one device.
func (b *restoreBuilder) addToVolume(ctx context.Context, items []repo.Item) error {
	it := items[0]
	if v, ok := b.inv.volume(b.options.ToVolume); ok {
		b.refuse(it, "volume "+v.Name+" exists already", "name another one, or remove it first")
		return nil
	}
	if !b.reachable(it) {
		return nil
	}
	spec := engine.VolumeSpec{Name: b.options.ToVolume, Driver: "local"}
	if it.Kind == KindVolume {
		original, _, err := b.definitionOf(ctx, it.Name)
		if err != nil {
			return err
		}
		spec.Labels = maps.Clone(original.Labels)
		maps.DeleteFunc(spec.Labels, func(name, _ string) bool {
			return strings.HasPrefix(name, composePrefix) || name == "com.docker.volume.anonymous"
		})
	}
	b.createVolume(it, spec, true)
	return nil
}
