package backup

import (
	"context"
	"errors"

	"davit/backup/repo"
)

// PlanRestore reads the snapshot and the host and decides what a restore does. It changes nothing.
func PlanRestore(ctx context.Context, env *Env, o RestoreOptions) (*RestorePlan, error) {
	return nil, errors.ErrUnsupported
}

// ApplyRestore carries a plan out; a plan with refusals is a *RefusedError and nothing is done.
func ApplyRestore(ctx context.Context, env *Env, plan *RestorePlan) (*RestoreReport, error) {
	return nil, errors.ErrUnsupported
}

// InPlaceRestores lists the restores in place whose old data is still kept, oldest first.
func InPlaceRestores(ctx context.Context, env *Env) ([]InPlaceRestore, error) {
	return nil, errors.ErrUnsupported
}

// CommitInPlace deletes the old data of a restore in place; id "" is the only one there is.
func CommitInPlace(ctx context.Context, env *Env, id string) (InPlaceRestore, error) {
	return InPlaceRestore{}, errors.ErrUnsupported
}

// RollbackInPlace puts the old data of a restore in place back and deletes what was restored.
func RollbackInPlace(ctx context.Context, env *Env, id string) (InPlaceRestore, error) {
	return InPlaceRestore{}, errors.ErrUnsupported
}

// Verify checks that every blob that a ref leads to is there and is what it should be. Damage is in
// the report, and in its Err.
func Verify(ctx context.Context, env *Env, o VerifyOptions) (*VerifyReport, error) {
	return nil, errors.ErrUnsupported
}

// List returns the snapshots of a repository, newest first. Snapshots that cannot be read are left
// out and named by a *repo.UnreadableError beside the list.
func List(ctx context.Context, r *repo.Repository, q Query) ([]SnapshotInfo, error) {
	return nil, errors.ErrUnsupported
}

// Show returns one snapshot with its items.
func Show(ctx context.Context, env *Env, o ShowOptions) (*SnapshotDetail, error) {
	return nil, errors.ErrUnsupported
}

// Files calls visit for every entry of an item, or of the folder inside it that spec names, in the
// order of the stream: a folder before its children.
func Files(ctx context.Context, env *Env, spec string, q Query, visit func(FileInfo) error) error {
	return errors.ErrUnsupported
}
