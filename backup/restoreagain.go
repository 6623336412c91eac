package backup

import (
	"fmt"
	"time"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// identityOf tells one inode from any other that had or will have its name.
func identityOf(path string) (string, error) {
	ino, born, err := hostfs.Birth(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d.%09d", ino, born.Sec, born.Nsec), nil
}

// restored finds the mark of an item that is at target now, and when that was. Only when a whole snapshot is restored: who
// names an item wants it as it was, not as it became.
func (b *restoreBuilder) restored(it repo.Item, target, identity string) (time.Time, bool) {
	if b.ref.Kind != "" {
		return time.Time{}, false
	}
	for _, r := range b.records {
		for _, m := range r.Marks {
			if m.Item == FormatItem(it.Kind, it.Name) && m.Digest == it.Desc.Digest.String() &&
				m.Target == target && m.Identity == identity {
				return r.Time, true
			}
		}
	}
	return time.Time{}, false
}

// keepRestored adds a step that keeps what an earlier run made of an item, if it did: a container, or what is at path.
func (b *restoreBuilder) keepRestored(it repo.Item, path, target, id string) bool {
	if id == "" {
		var err error
		if id, err = identityOf(path); err != nil {
			return false
		}
	}
	at, ok := b.restored(it, path, id)
	if ok {
		b.plan.Steps = append(b.plan.Steps, keepStep(it, target, "restored already at "+at.Local().Format("2006-01-02 15:04")))
	}
	return ok
}

// keepStep is the step for an item that is there already.
func keepStep(it repo.Item, target, note string) RestoreStep {
	return RestoreStep{
		Action: ActionKeep, Kind: it.Kind, Name: it.Name, Target: target, item: it, Note: note,
		Bytes: annotatedNumber(it, annBytes, UnknownSize), Entries: annotatedNumber(it, annEntries, 0),
	}
}
