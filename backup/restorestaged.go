package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"davit/engine/hostfs"
)

// restoreStaged writes a tree beside target, which is absent or an empty folder, and renames it into place when it is
// whole and on disk. A tree that is one file goes below target under its own name.
func (r *restoreRun) restoreStaged(ctx context.Context, step *RestoreStep, target string, rep *RestoreStepReport) (err error) {
	from, to := "", target
	if step.file != "" {
		to = filepath.Join(target, step.file)
	}
	stage, err := r.journal.stage(to)
	if err != nil {
		return err
	}
	if err := os.Mkdir(stage, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() {
		if removeErr := os.RemoveAll(stage); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("clear up after restore: %w", removeErr))
		}
	}()
	if err := r.restoreSynced(ctx, step, stage, rep); err != nil {
		return err
	}
	if from = stage; step.file != "" {
		from = filepath.Join(stage, step.file)
	}
	identity, err := identityOf(from)
	if err != nil {
		return err
	}
	if err := r.journal.mark(step.item, to, identity); err != nil {
		return err
	}
	return putInPlace(from, to, step.file == "")
}

// restoreSynced writes a tree below an open folder and waits until it is on disk.
func (r *restoreRun) restoreSynced(ctx context.Context, step *RestoreStep, dir string, rep *RestoreStepReport) (err error) {
	dst, err := hostfs.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer closing(dst, &err)
	if err := r.restoreTree(ctx, step, dst, rep); err != nil {
		return err
	}
	return dst.Syncfs()
}

// putInPlace gives what was restored its name. A folder replaces an empty one; nothing else is replaced.
func putInPlace(from, to string, folder bool) error {
	rename := hostfs.RenameNew
	if folder {
		rename = syscall.Rename // os.Rename does not replace a folder
	}
	err := rename(from, to)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("%s is not empty any more", to)
	}
	if err != nil {
		return fmt.Errorf("put %s in place: %w", to, err)
	}
	return hostfs.SyncDir(filepath.Dir(to))
}
