package backup

import (
	"context"
	"encoding/json"

	"davit/backup/repo"
	"davit/engine/guard"
)

// SavedItem is what the annotations of an item tell beside its content.
type SavedItem struct {
	Bytes    int64  // size of all files, of an image all layers; UnknownSize when it is not told
	Files    int64  // regular files
	Entries  int64  // with folders, links and the rest
	Stream   int64  // about what a restore writes
	Source   string // folder that the files were read from
	File     string // of a bind mount or path that is one file: its name
	Problems int    // files that were missing or marked
}

// Saved reads what is known of an item without reading the item.
func Saved(it repo.Item) SavedItem {
	return SavedItem{
		Bytes: annotatedNumber(it, annBytes, UnknownSize), Files: annotatedNumber(it, annFiles, 0),
		Entries: annotatedNumber(it, annEntries, 0), Stream: annotatedNumber(it, annStream, 0),
		Source: annotatedText(it, annSource), File: annotatedText(it, annFile), Problems: ItemProblems(it),
	}
}

// HoldsFiles reports whether items of a kind hold files.
func HoldsFiles(kind string) bool { return isTree(kind) }

// SavedContainer is the definition of a container in a snapshot.
type SavedContainer struct {
	Name    string
	ID      string // in the engine that it comes from
	Raw     json.RawMessage
	Running bool // when it was saved
	Item    repo.Item
}

// SavedContainers reads the containers of a snapshot, in levels: each needs only containers of the levels before it.
func SavedContainers(ctx context.Context, env *Env, snap repo.Snapshot) ([][]SavedContainer, error) {
	b := &restoreBuilder{env: env, snapshot: snap}
	saved, err := b.readContainers(ctx, snap.Items)
	if err != nil {
		return nil, err
	}
	var targets []guard.Target
	byID := map[string]SavedContainer{}
	for _, c := range saved {
		targets = append(targets, c.order)
		byID[c.order.ID] = SavedContainer{
			Name: c.item.Name, ID: c.id, Raw: c.raw, Running: annotatedFlag(c.item, annRunning, false), Item: c.item,
		}
	}
	var levels [][]SavedContainer
	for _, stopped := range guard.StopOrder(targets) {
		var level []SavedContainer
		for _, t := range stopped {
			level = append(level, byID[t.ID])
		}
		levels = append([][]SavedContainer{level}, levels...)
	}
	return levels, nil
}

// ReadSavedDefinition reads the document of a definition item: a container, a network, a volume's definition, or a file.
func ReadSavedDefinition(ctx context.Context, env *Env, it repo.Item) ([]byte, error) {
	data, _, err := readDefinition(ctx, env.Repo, it.Desc)
	return data, err
}

// LargeLayer tells that a container had written much into its own file system when it was saved.
func LargeLayer(it repo.Item) bool {
	return annotatedNumber(it, annLayerBytes, 0) > defaultLayerWarning
}
