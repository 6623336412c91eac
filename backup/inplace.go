package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"davit/engine/guard"
	"davit/engine/hostfs"
)

// A restore in place, volume by volume:
//
//	restore   _data.davit-new-ID beside _data, while everything runs
//	stop      the containers that use one of the volumes
//	swap      both names in one system call; then _data.davit-new-ID becomes _data.davit-old-ID
//	start     the containers
//
// Each step is in the journal before it is done. _data exists at every moment, so a
// container that somebody starts in between finds either all old or all new files.

// replacements are the steps that replace volumes.
func (r *restoreRun) replacements() []*RestoreStep {
	var steps []*RestoreStep
	for i := range r.plan.Steps {
		if r.plan.Steps[i].Action == ActionReplaceVolume {
			steps = append(steps, &r.plan.Steps[i])
		}
	}
	return steps
}

// replaceAll replaces volumes, all or none of them: containers that use several of
// them must not see half of a snapshot.
func (r *restoreRun) replaceAll(ctx context.Context, steps []*RestoreStep) (err error) {
	if err := removeAbandoned(r.env.StateDir); err != nil {
		return err
	}
	id, err := randomID(r.env.Rand)
	if err != nil {
		return err
	}
	j, err := createInPlaceJournal(r.env.StateDir, inPlaceRecord{
		ID: id, Time: r.env.Now().UTC(), Snapshot: r.plan.Snapshot, State: inPlaceRestoring,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	reports, err := r.restoreBeside(ctx, j, steps)
	if err == nil {
		err = r.swapAll(ctx, j, steps)
	}
	if err != nil {
		return errors.Join(err, j.undo())
	}
	r.report.InPlace = id
	for i, s := range steps {
		r.finishStep(s, reports[i], r.env.Now(), nil)
	}
	return nil
}

// restoreBeside writes every volume's files into a folder beside the old ones.
func (r *restoreRun) restoreBeside(ctx context.Context, j *inPlaceJournal, steps []*RestoreStep) ([]RestoreStepReport, error) {
	reports := make([]RestoreStepReport, len(steps))
	for i, s := range steps {
		r.env.reporter().Item(s.Ref())
		reports[i].RestoreStep = *s
		v, err := j.addVolume(s.volume.Name, s.volume.Mountpoint)
		if err != nil {
			return nil, err
		}
		if err := r.restoreInto(ctx, s, v.newDir(j.record.ID), &reports[i]); err != nil {
			return nil, fmt.Errorf("restore %s: %w", s.Ref(), err)
		}
		if err := j.noteInode(v); err != nil {
			return nil, err
		}
	}
	return reports, nil
}

func (r *restoreRun) restoreInto(ctx context.Context, s *RestoreStep, dir string, rep *RestoreStepReport) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return r.restoreSynced(ctx, s, dir, rep)
}

// swapAll stops the users, swaps the folders and starts the users again. When a container does not come up with
// the restored data, all of it is taken back.
func (r *restoreRun) swapAll(ctx context.Context, j *inPlaceJournal, steps []*RestoreStep) error {
	stop := newStopper(r.env, users(steps), r.plan.Options.AllowRMLoss)
	defer stop.close()
	if err := stop.stop(ctx); err != nil {
		return err
	}
	err := j.swap()
	if err == nil {
		if err = stop.start(ctx, &r.report.Freezes); err == nil {
			return nil
		}
		// Some may run by now, with the new data: they are stopped again before it goes.
		if stopErr := stop.stop(ctx); stopErr != nil {
			return errors.Join(err, stopErr)
		}
	}
	undo := j.swapBack()
	return errors.Join(err, undo, stop.start(ctx, &r.report.Freezes))
}

// users are the containers that steps stop, each once.
func users(steps []*RestoreStep) []guard.Target {
	var list []guard.Target
	for _, s := range steps {
		for _, t := range s.users {
			if !slices.ContainsFunc(list, func(u guard.Target) bool { return u.ID == t.ID }) {
				list = append(list, t)
			}
		}
	}
	return list
}

// exchange swaps two names of one folder in one step.
func exchange(a, b string) error {
	if err := hostfs.Exchange(a, b); err != nil {
		return fmt.Errorf("swap %s and %s: %w", a, b, err)
	}
	return hostfs.SyncDir(filepath.Dir(a))
}

func inode(path string) (uint64, error) {
	st, err := hostfs.LstatPath(path)
	return st.Ino, err
}
