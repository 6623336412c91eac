package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"davit/engine"
)

// addEngineItems adds everything that was chosen of the engine.
func (b *planBuilder) addEngineItems(ctx context.Context, env *Env) error {
	b.plan.Skipped = append(b.plan.Skipped, b.chosen.skipped...)
	b.plan.Notes = append(b.plan.Notes, b.chosen.notes...)
	if err := b.addVolumes(); err != nil {
		return err
	}
	b.addBinds()
	b.addLayers()
	b.addDefinitions()
	return b.addImages(ctx, env)
}

func (b *planBuilder) addVolumes() error {
	for _, v := range b.inv.volumes {
		named, ok := b.chosen.volumes[v.Name]
		if !ok {
			continue
		}
		path := volumeSource(v)
		if b.inv.local && path != "" && b.rules.repository != "" && overlap(b.rules.repository, path) {
			if named {
				return &UsageError{Reason: "repository " + b.rules.repository + " lies in volume " + v.Name + ", which is to be saved"}
			}
			b.chosen.skip(KindVolume, v.Name, "holds the repository, or lies in it", names(b.inv.users(v.Name)))
			b.plan.Skipped = append(b.plan.Skipped, b.chosen.skipped[len(b.chosen.skipped)-1])
			delete(b.chosen.volumes, v.Name)
			continue
		}
		it := PlannedItem{Kind: KindVolume, Name: v.Name, Source: v.Mountpoint, Bytes: UnknownSize}
		b.readable(&it, v)
		b.addTree(it)
		if it.Failure == "" && path != "" {
			b.sources[len(b.sources)-1].path = path
		}
	}
	return nil
}

// readable fills in how a volume's files are reached, or why they cannot be.
func (b *planBuilder) readable(it *PlannedItem, v engine.Volume) {
	switch {
	case b.inv.agents:
		it.far, it.helper = true, !plainLocal(v)
		it.Note = "read by a helper container"
	case b.inv.copies:
		it.copied = true
		it.Note = "copied by the engine, and " + notCopied
	case !b.inv.local:
		it.Failure = "the engine is not local, so its files cannot be read: " + b.inv.notLocal
	case plainLocal(v):
		if _, err := b.probe(v.Mountpoint); err != nil {
			it.Failure = fmt.Sprintf("read %s: %v", v.Mountpoint, err)
		}
	default:
		// Files of these are at Mountpoint only while something holds the volume mounted;
		// read without that, a full volume would look empty.
		it.helper = true
		it.Note = "mounted by a helper container while it is read"
	}
}

// addBinds adds the bind mounts that no rule leaves out.
func (b *planBuilder) addBinds() {
	users := map[string][]string{}
	for given, containers := range b.chosen.binds {
		source := given
		if b.inv.local {
			source = realPath(given)
		}
		users[source] = append(users[source], containers...)
	}
	kept := map[string]probed{}
	for _, source := range slices.Sorted(maps.Keys(users)) {
		slices.Sort(users[source])
		users[source] = slices.Compact(users[source])
		if !b.inv.local {
			b.addFarBind(source, users[source])
			continue
		}
		v, p := b.rules.judge(source)
		if v.reason != "" {
			b.skipBind(source, v, users[source])
			continue
		}
		kept[source] = p
	}
	covered := dropCovered(kept, b.pathSources(), b.rules.include)
	for _, source := range slices.Sorted(maps.Keys(kept)) {
		if other, ok := covered[source]; ok {
			b.skipBind(source, verdict{reason: "is saved with " + other}, users[source])
			continue
		}
		b.addTree(folderItem(KindBind, source, source, kept[source]))
	}
}

// addFarBind adds a folder or a file of the engine's host, which is another machine: only when it is asked for.
func (b *planBuilder) addFarBind(source string, users []string) {
	s := b.options.Selection
	asked := s.Binds || len(s.Containers)+len(s.Projects) > 0 || slices.Contains(s.Include, source)
	rules := bindRules{}
	v := rules.never(source)
	if v.reason == "" && !slices.Contains(s.Include, source) {
		v = rules.overridable(source, probed{})
	}
	switch {
	case v.reason != "":
		b.skipBind(source, v, users)
	case !asked:
		b.skipBind(source, verdict{reason: "lies on the engine's host, which is another machine", hint: "--bind saves it"}, users)
	case b.inv.agents:
		b.addTree(PlannedItem{
			Kind: KindBind, Name: source, Source: source, Bytes: UnknownSize, far: true, Note: "read by a helper container",
		})
	default:
		b.addTree(PlannedItem{
			Kind: KindBind, Name: source, Bytes: UnknownSize,
			Failure: "the engine is not local, so its files cannot be read: " + b.inv.notLocal,
		})
	}
}

func (b *planBuilder) pathSources() []string {
	var list []string
	for _, it := range b.plan.Items {
		if it.Kind == KindPath && it.file == "" {
			list = append(list, it.Source)
		}
	}
	return list
}

func (b *planBuilder) skipBind(source string, v verdict, users []string) {
	b.plan.Skipped = append(b.plan.Skipped, Skipped{
		Kind: KindBind, Name: source, Reason: v.reason, Hint: v.hint, Containers: users,
	})
}

// addLayers adds writable layers, or names those that hold much and are not saved.
func (b *planBuilder) addLayers() {
	for _, c := range b.chosen.sortedContainers() {
		if !b.options.Selection.RWLayers {
			if c.SizeRw > b.options.LayerWarning {
				b.plan.Layers = append(b.plan.Layers, UnsavedLayer{Container: c.Name, Bytes: c.SizeRw})
			}
			continue
		}
		it := PlannedItem{Kind: KindRWLayer, Name: c.Name, Source: c.UpperDir, Bytes: c.SizeRw}
		switch {
		case !b.inv.local:
			it.Failure = "the engine is not local, so its files cannot be read: " + b.inv.notLocal
		case c.UpperDir == "":
			it.Failure = "the storage driver " + b.inv.info.Driver + " does not say where the writable layer is"
		}
		b.addTree(it)
	}
}

// addDefinitions adds documents, first of all: they are small and say what the rest is.
func (b *planBuilder) addDefinitions() {
	docs := definitionsOf(b.inv, b.chosen)
	if b.inv.local {
		files, skipped := readComposeFiles(composeFiles(b.inv, b.chosen))
		docs = append(docs, files...)
		b.plan.Skipped = append(b.plan.Skipped, skipped...)
	}
	for i := range docs {
		it := PlannedItem{
			Kind: docs[i].kind, Name: docs[i].name, Bytes: int64(len(docs[i].data)),
			Group: -1, doc: &docs[i], layer: UnknownSize,
		}
		if docs[i].kind == KindContainer {
			if c, ok := b.inv.container(docs[i].name); ok {
				it.layer, it.runs = c.SizeRw, c.Running
			}
		}
		b.plan.Items = append(b.plan.Items, it)
	}
}
