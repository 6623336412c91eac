package drill

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"davit/backup"
	"davit/backup/chunk"
	"davit/backup/repo"
)

// addItems adds what the snapshot holds beside what containers mount.
func (b *planner) addItems(ctx context.Context) error {
	for _, it := range b.plan.snapshot.Items {
		ref := backup.FormatItem(it.Kind, it.Name)
		switch {
		case backup.HoldsFiles(it.Kind):
			if b.inScope(it) {
				b.volume(it, backup.Saved(it).File)
			}
		case b.whole() || b.plan.loads(ref):
			b.plan.documents = append(b.plan.documents, it)
		}
		if n := backup.Saved(it).Problems; n > 0 && b.wanted[ref] {
			b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("%s: %d files were missing or marked when it was saved", ref, n))
		}
	}
	if !b.plan.Snapshot.Complete {
		b.plan.Notes = append(b.plan.Notes, "the snapshot is not complete: something that was selected for it is not in it")
	}
	b.plan.Documents = len(b.plan.documents)
	return nil
}

// loads tells that an image is loaded from an item.
func (p *Plan) loads(item string) bool {
	return slices.ContainsFunc(p.Images, func(i Image) bool { return i.Item == item })
}

// whole tells that all of the snapshot is rehearsed.
func (b *planner) whole() bool {
	return len(b.plan.Options.Volumes)+len(b.plan.Options.Projects) == 0
}

func (b *planner) inScope(it repo.Item) bool {
	if b.whole() {
		return true
	}
	return it.Kind == backup.KindVolume && slices.Contains(b.plan.Options.Volumes, it.Name)
}

// volume is the scratch volume of an item, or of a path in it: the same one however often it is asked for.
func (b *planner) volume(it repo.Item, inside string) string {
	key := volumeKey{it.Kind, it.Name, inside}
	if name, ok := b.volumes[key]; ok {
		return name
	}
	saved, ref := backup.Saved(it), backup.FormatItem(it.Kind, it.Name)
	name := scratchName(b.plan.Run, "v", len(b.plan.Volumes)+1, path.Base(it.Name))
	b.volumes[key], b.wanted[ref] = name, true
	b.plan.Volumes = append(b.plan.Volumes, Volume{
		Item: ref, Path: inside, Of: it.Name, Name: name, Bytes: max(saved.Stream, saved.Bytes, 0), Entries: saved.Entries, item: it,
	})
	b.plan.bytes += 2 * max(saved.Bytes, 0) // restored, and compared
	return name
}

// emptyVolume stands for a volume that is not in the snapshot.
func (b *planner) emptyVolume(of string) string {
	key := volumeKey{name: of}
	if name, ok := b.volumes[key]; ok {
		return name
	}
	name := scratchName(b.plan.Run, "v", len(b.plan.Volumes)+1, of)
	b.volumes[key] = name
	b.plan.Volumes = append(b.plan.Volumes, Volume{Of: of, Name: name})
	b.leave(backup.FormatItem(backup.KindVolume, of), "is not in the snapshot: its containers get an empty one", false)
	return name
}

func (b *planner) leave(item, reason string, lost bool) {
	n := NotRehearsed{Item: item, Reason: reason, Lost: lost}
	if !slices.Contains(b.plan.NotRehearsed, n) {
		b.plan.NotRehearsed = append(b.plan.NotRehearsed, n)
	}
}

// mount finds what stands for a mount: a scratch volume, or something inside one. Why tells people what is different.
func (b *planner) mount(ctx context.Context, m savedMount, sub string) (volume, inside, why string) {
	switch m.Type {
	case "volume":
		return b.volumeMount(ctx, m, sub)
	case "bind":
		return b.bindMount(ctx, m)
	}
	return "", "", fmt.Sprintf("without the mount of type %s at %s", m.Type, m.Destination)
}

func (b *planner) volumeMount(ctx context.Context, m savedMount, sub string) (volume, inside, why string) {
	it, ok := b.plan.snapshot.Find(backup.KindVolume, m.Name)
	switch {
	case ok && sub == "":
		return b.volume(it, ""), "", ""
	case ok && b.holds(ctx, it, sub):
		return b.volume(it, sub), path.Base(sub), ""
	case sub == "" && m.Name != "":
		return b.emptyVolume(m.Name), "", "an empty volume instead of " + m.Name + ", which is not in the snapshot"
	}
	return "", "", fmt.Sprintf("without %s of volume %s at %s, which is not in the snapshot", sub, m.Name, m.Destination)
}

// bindMount finds a path of the host in the snapshot: as an item, or inside one.
func (b *planner) bindMount(ctx context.Context, m savedMount) (volume, inside, why string) {
	source := filepath.Clean(m.Source)
	var best repo.Item
	for _, it := range b.plan.snapshot.Items {
		if it.Kind != backup.KindBind && it.Kind != backup.KindPath {
			continue
		}
		if it.Name == source {
			file := backup.Saved(it).File
			return b.volume(it, file), file, ""
		}
		if strings.HasPrefix(source, strings.TrimSuffix(it.Name, "/")+"/") && len(it.Name) > len(best.Name) {
			best = it
		}
	}
	if sub := strings.TrimPrefix(strings.TrimPrefix(source, best.Name), "/"); best.Name != "" && b.holds(ctx, best, sub) {
		return b.volume(best, sub), path.Base(sub), ""
	}
	if strings.HasSuffix(source, ".sock") {
		return "", "", "without the socket " + source
	}
	b.leave(backup.FormatItem(backup.KindBind, source), "is not in the snapshot: its containers go without", false)
	return "", "", fmt.Sprintf("without %s at %s, which is not in the snapshot", source, m.Destination)
}

// holds tells whether an item holds a file or folder at a path. What cannot be read is told when it is restored.
func (b *planner) holds(ctx context.Context, it repo.Item, inside string) bool {
	inside = strings.Trim(path.Clean(inside), "/")
	found := false
	err := chunk.Files(ctx, b.env.Repo, it.Desc, func(e *chunk.Entry) error {
		found = found || e.Path == inside && (e.Kind == chunk.KindFile || e.Kind == chunk.KindFolder)
		return nil
	})
	return found || err != nil
}
