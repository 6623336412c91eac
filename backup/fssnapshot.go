package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"davit/backup/chunk"
	"davit/engine/hostfs"
)

// FSSnapshots is whether a file system's own means make freezes shorter.
type FSSnapshots string

// The ways to use them.
const (
	FSSnapshotsAuto  FSSnapshots = "auto" // btrfs snapshots and reflink clones wherever they work
	FSSnapshotsNever FSSnapshots = "never"
)

// Via is by what means of its file system an item was read after its containers were let go.
type Via string

// The means.
const (
	ViaSnapshot Via = "snapshot" // all of it, from a btrfs snapshot
	ViaReflink  Via = "reflink"  // its big files, from reflink clones
)

const (
	// fsRoom is left free on a file system whose blocks are kept for a backup.
	fsRoom = 256 << 20
	// fsChurn bounds what containers are taken to write anew while a snapshot exists: its blocks are kept meanwhile.
	fsChurn = 4 << 30
)

// fsSnapshot is a snapshot that trees of one group are read from.
type fsSnapshot struct {
	subvolume hostfs.Subvolume
	path      string
	at        time.Time // when its making began
	made      bool
	err       error // why it could not be made
}

// fsSnapshots are those of one freeze.
type fsSnapshots struct {
	journal *fsJournal // nil without any
	list    []*fsSnapshot
}

// prepareFS finds out, while the containers run, by what means of its file system each tree can be read. What keeps a
// tree from it is noted; it is then read as on any other file system.
func (r *createRun) prepareFS(trees []*tree) (*fsSnapshots, error) {
	s := &fsSnapshots{}
	if r.plan.Options.FSSnapshots == FSSnapshotsNever {
		return s, nil
	}
	mounts, err := hostfs.Mounts()
	if err != nil {
		return nil, err
	}
	for _, t := range trees {
		t.clones = nil
		if t.root == nil {
			continue // on another machine
		}
		name, _, err := t.root.FSType()
		if err != nil {
			return nil, err
		}
		if name == "btrfs" {
			if err := r.planSnapshot(s, t, mounts); err == nil {
				continue
			} else {
				r.note(t, "no snapshot: "+err.Error())
			}
		}
		if name == "btrfs" || name == "xfs" {
			r.planClones(t)
		}
	}
	if len(s.list) > 0 {
		s.journal, err = createFSJournal(r.env, s.list)
	}
	return s, err
}

func (r *createRun) note(t *tree, text string) {
	r.report.Notes = append(r.report.Notes, t.item.Ref()+": "+text)
}

// planSnapshot gives a tree a snapshot of the subvolume it lies in, which others may share.
func (r *createRun) planSnapshot(s *fsSnapshots, t *tree, mounts []hostfs.Mount) error {
	if os.Geteuid() != 0 {
		return errors.New("only root may remove it again")
	}
	path := realPath(t.root.Path())
	sub, err := hostfs.SubvolumeOf(path)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if below(path, m.Point) {
			return fmt.Errorf("something is mounted in it, on %s", m.Point)
		}
	}
	if nested := t.nestedSubvolume(); nested != "" {
		return fmt.Errorf("subvolume %s is nested in it, and would be empty", nested)
	}
	free, _, err := hostfs.Space(path)
	if err != nil {
		return err
	}
	if need := fsRoom + min(t.result.Stats.Bytes, fsChurn); free < uint64(need) {
		return fmt.Errorf("%s are free there, and %s may be written while it exists", sizeText(int64(free)), sizeText(need))
	}
	for _, other := range s.list {
		if other.subvolume.Path == sub.Path {
			t.snapshot, t.inSnapshot = other, sub.Rel
			return nil
		}
	}
	id, err := randomID(r.env.Rand)
	if err != nil {
		return err
	}
	t.snapshot, t.inSnapshot = &fsSnapshot{subvolume: sub, path: filepath.Join(sub.Place(), snapshotPrefix+id)}, sub.Rel
	s.list = append(s.list, t.snapshot)
	return nil
}

// planClones lets a tree's big files be cloned, where its file system can do that.
func (r *createRun) planClones(t *tree) {
	free, _, err := hostfs.Space(t.root.Path())
	if err == nil && free < 2*fsRoom {
		err = fmt.Errorf("only %s are free there", sizeText(int64(free)))
	}
	if err == nil {
		t.clones, err = chunk.NewClones(t.root, int64(min(free-fsRoom, 1<<62)))
	}
	if err != nil && !errors.Is(err, chunk.ErrNoClones) {
		r.note(t, "no reflinks: "+err.Error())
	}
}

// make makes the snapshots while the containers are held.
func (s *fsSnapshots) make(now func() time.Time) {
	for _, snap := range s.list {
		snap.at = now()
		snap.err = snap.subvolume.Snapshot(snap.path)
		snap.made = snap.err == nil
	}
}

// remove removes them. What cannot be removed is left to the next run, by the journal.
func (s *fsSnapshots) remove() error {
	if s.journal == nil {
		return nil
	}
	return s.journal.settle()
}

// saveSnapshot reads a tree from its snapshot.
func (r *createRun) saveSnapshot(ctx context.Context, t *tree) (err error) {
	root, err := hostfs.OpenRoot(filepath.Join(t.snapshot.path, t.inSnapshot))
	if err != nil {
		return err
	}
	defer closing(root, &err)
	nested := t.nestedSubvolume()
	o := t.options(false)
	o.EnterMount = nil
	result, err := r.newSaver(nil).Save(ctx, chunk.LocalSnapshot(root, t.snapshot.at), t.cache, o)
	if err != nil {
		return err
	}
	if now := t.nestedSubvolume(); now != nested {
		return fmt.Errorf("subvolume %s was made in it meanwhile", now)
	}
	t.keep(result)
	t.via = ViaSnapshot
	return nil
}

// snapshotPrefix begins the names of snapshots.
const snapshotPrefix = ".davit-snapshot-"
