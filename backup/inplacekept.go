package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"davit/engine/guard"
	"davit/engine/hostfs"
)

// InPlaceRestores lists the restores in place whose old data is still kept, oldest first.
func InPlaceRestores(ctx context.Context, env *Env) ([]InPlaceRestore, error) {
	journals, err := openInPlaceJournals(env.StateDir)
	if err != nil {
		return nil, err
	}
	list := []InPlaceRestore{}
	for _, j := range journals {
		if j.record.State != inPlaceSwapped {
			continue
		}
		kept, err := j.kept(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, kept)
	}
	return list, nil
}

func (j *inPlaceJournal) kept(ctx context.Context) (InPlaceRestore, error) {
	r := InPlaceRestore{ID: j.record.ID, Time: j.record.Time, Snapshot: j.record.Snapshot, Volumes: []string{}}
	for _, v := range j.record.Volumes {
		r.Volumes = append(r.Volumes, v.Name)
		bytes, err := folderSize(ctx, v.oldDir(j.record.ID))
		if err != nil {
			return r, err
		}
		r.Bytes += bytes
	}
	return r, nil
}

// folderSize is what the files below a folder take on disk; nothing for one that is gone.
func folderSize(ctx context.Context, dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() {
			sum += hostfs.DiskUsage(info)
		}
		return ctx.Err()
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return sum, nil
}

// CommitInPlace deletes the old data of a restore in place; id "" is the only one there is.
func CommitInPlace(ctx context.Context, env *Env, id string) (InPlaceRestore, error) {
	j, kept, err := takeKept(ctx, env, id)
	if err != nil {
		return kept, err
	}
	for _, v := range j.record.Volumes {
		if removeErr := os.RemoveAll(v.oldDir(j.record.ID)); removeErr != nil {
			return kept, errors.Join(fmt.Errorf("delete old data of volume %s: %w", v.Name, removeErr), j.close())
		}
	}
	return kept, errors.Join(j.remove(), j.close())
}

// takeKept finds and locks the journal of a restore whose old data is kept.
func takeKept(ctx context.Context, env *Env, id string) (*inPlaceJournal, InPlaceRestore, error) {
	journals, err := openInPlaceJournals(env.StateDir)
	if err != nil {
		return nil, InPlaceRestore{}, err
	}
	journals = slices.DeleteFunc(journals, func(j *inPlaceJournal) bool {
		return j.record.State != inPlaceSwapped || id != "" && j.record.ID != id
	})
	switch {
	case len(journals) == 0 && id == "":
		return nil, InPlaceRestore{}, &NotFoundError{What: "restore in place", Name: "none keeps old data", Where: "this host"}
	case len(journals) == 0:
		return nil, InPlaceRestore{}, &NotFoundError{What: "restore in place", Name: id, Where: "this host"}
	case len(journals) > 1:
		ids := make([]string, len(journals))
		for i, j := range journals {
			ids[i] = j.record.ID
		}
		return nil, InPlaceRestore{}, &UsageError{Reason: "several restores in place keep old data", Hint: "name one: " + joinNames(ids)}
	}
	j := journals[0]
	kept, err := j.kept(ctx)
	if err != nil {
		return nil, kept, err
	}
	return j, kept, j.takeLock()
}

// RollbackInPlace puts the old data of a restore in place back and deletes what was restored. The
// containers that use it are stopped meanwhile.
func RollbackInPlace(ctx context.Context, env *Env, id string) (_ InPlaceRestore, err error) {
	if env.Engine == nil {
		return InPlaceRestore{}, &UsageError{Reason: "a rollback needs the engine, to stop the containers that use the volumes"}
	}
	j, kept, err := takeKept(ctx, env, id)
	if err != nil {
		return kept, err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	targets, err := j.rollbackUsers(ctx, env)
	if err != nil {
		return kept, err
	}
	stop := newStopper(env, targets, false)
	defer stop.close()
	if err := stop.stop(ctx); err != nil {
		return kept, err
	}
	swapErr := j.swapBack()
	var freezes []Freeze
	if err := errors.Join(swapErr, stop.start(ctx, &freezes)); err != nil {
		return kept, err
	}
	return kept, j.undo()
}

// rollbackUsers are the containers to stop, after a look whether the volumes still are what
// the restore made of them.
func (j *inPlaceJournal) rollbackUsers(ctx context.Context, env *Env) ([]guard.Target, error) {
	inv, err := discover(ctx, env, false, nil)
	if err != nil {
		return nil, err
	}
	b := &restoreBuilder{env: env, inv: inv}
	var targets []guard.Target
	for _, vol := range j.record.Volumes {
		swapped, err := vol.swapped()
		v, exists := inv.volume(vol.Name)
		if err != nil || !swapped || !exists || v.Mountpoint != vol.Data {
			return nil, &RefusedError{Action: "roll back", Reasons: []Refusal{{
				Item: FormatItem(KindVolume, vol.Name), Reason: "the volume was made anew since the restore",
				Hint: "the old data is in " + vol.oldDir(j.record.ID),
			}}}
		}
		for _, c := range b.runningUsers(v) {
			if c.AutoRemove || c.Swarm {
				return nil, &RefusedError{Action: "roll back", Reasons: []Refusal{{
					Item: FormatItem(KindVolume, vol.Name), Reason: "container " + c.Name + " uses it and cannot be stopped and started again",
					Hint: "stop it yourself first",
				}}}
			}
			if !slices.ContainsFunc(targets, func(t guard.Target) bool { return t.ID == c.ID }) {
				targets = append(targets, guardTarget(c))
			}
		}
	}
	return targets, nil
}
