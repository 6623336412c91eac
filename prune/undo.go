package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"davit/backup"
	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/hostfs"
)

// Restorer is what Undo does to an engine.
type Restorer interface {
	Remover
	Tag(ctx context.Context, image, name string) error
	NameByDigest(ctx context.Context, id, name string) error
	CreateNetwork(ctx context.Context, raw json.RawMessage) (string, error)
	CreateContainerFromInspect(ctx context.Context, raw json.RawMessage) (string, []string, error)
}

// Undone is what Undo did about one object.
type Undone struct {
	Kind   Kind   `json:"kind"`
	Name   string `json:"name"`
	Done   bool   `json:"done"` // it is there
	Reason string `json:"reason,omitempty"`
}

// Undo brings back what a run removed: all of it, or the objects that are named by KIND/NAME, name, tag or id. What is
// there already stays as it is; it may be called again. archive is nil when the run had none. Errors: *NoObjectError,
// *PartialError.
func Undo(ctx context.Context, env *Env, e Restorer, record *Record, archive *backup.Env, names []string) (_ []Undone, err error) {
	deeds, err := record.choose(names)
	if err != nil {
		return nil, err
	}
	unlock, err := lock(env.StateDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock.Close()) }()
	u := &undoing{env: env, engine: e, record: record, archive: archive, missing: "it was not archived"}
	if err := u.findArchive(ctx, deeds); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		kind Kind
		do   func(context.Context, []Deed) error
	}{{Network, u.networks}, {Image, u.images}, {Volume, u.volumes}, {Container, u.containers}, {Cache, u.cache}} {
		list := slices.DeleteFunc(slices.Clone(deeds), func(d Deed) bool { return d.Object.Kind != step.kind })
		if len(list) == 0 {
			continue
		}
		if err := step.do(ctx, list); err != nil {
			return u.list, err
		}
	}
	fails := 0
	for _, d := range u.list {
		if !d.Done {
			fails++
		}
	}
	if fails > 0 {
		return u.list, &PartialError{Action: "undo", Fails: fails}
	}
	return u.list, nil
}

// NoObjectError says that a run removed nothing of a name.
type NoObjectError struct{ Name, Run string }

func (e *NoObjectError) Error() string { return fmt.Sprintf("run %s did not remove %q", e.Run, e.Name) }

// choose finds the deeds that are meant.
func (r *Record) choose(names []string) ([]Deed, error) {
	var gone []Deed
	for _, d := range r.Deeds {
		if d.Outcome == Removed || d.Outcome == Begun || d.Outcome == Failed && len(d.Untagged) > 0 {
			gone = append(gone, d)
		}
	}
	if len(names) == 0 {
		return gone, nil
	}
	var chosen []Deed
	for _, name := range names {
		i := slices.IndexFunc(gone, func(d Deed) bool { return d.Object.called(name) })
		if i < 0 {
			return nil, &NoObjectError{name, r.ID}
		}
		chosen = append(chosen, gone[i])
	}
	return chosen, nil
}

// called tells whether somebody means an object by a name.
func (o *Object) called(name string) bool {
	if kind, rest, ok := strings.Cut(name, "/"); ok && Kind(kind) == o.Kind {
		name = rest
	}
	short := strings.TrimPrefix(o.ID, "sha256:")
	return name == o.Name || name == o.ID || slices.Contains(o.Tags, name) || slices.Contains(o.Digests, name) || len(name) >= 12 && strings.HasPrefix(short, name)
}

// undoing is one run of Undo.
type undoing struct {
	env     *Env
	engine  Restorer
	record  *Record
	archive *backup.Env
	missing string // why something is in no archive
	list    []Undone
}

// findArchive looks whether the run's archive is still there.
func (u *undoing) findArchive(ctx context.Context, deeds []Deed) error {
	if u.archive == nil || u.record.Snapshot == "" {
		return nil
	}
	_, err := u.archive.Repo.Find(ctx, u.record.Snapshot, repo.Query{})
	if !errors.Is(err, repo.ErrNoSnapshot) {
		return err
	}
	for i := range deeds {
		deeds[i].Archived = false
	}
	u.missing = fmt.Sprintf("its archive, snapshot %s, is gone", u.record.Snapshot)
	return nil
}

func (u *undoing) say(d Deed, done bool, format string, a ...any) {
	u.list = append(u.list, Undone{d.Object.Kind, d.Object.Name, done, fmt.Sprintf(format, a...)})
}

func (u *undoing) cache(_ context.Context, deeds []Deed) error {
	for _, d := range deeds {
		u.say(d, true, "build cache is not brought back: the next build makes it again")
	}
	return nil
}

func (u *undoing) networks(ctx context.Context, deeds []Deed) error {
	for _, d := range deeds {
		_, err := u.engine.InspectNetwork(ctx, d.Object.Name)
		switch {
		case err == nil:
			u.say(d, true, "it is there already")
			continue
		case !engine.IsNotFound(err):
			return err
		}
		if _, err := u.engine.CreateNetwork(ctx, d.Raw); err != nil {
			u.say(d, false, "%v", err)
			continue
		}
		u.say(d, true, "")
	}
	return nil
}

// images gives names back to images that are still there, and loads the others from the archive.
func (u *undoing) images(ctx context.Context, deeds []Deed) error {
	var load []Deed
	for _, d := range deeds {
		_, err := u.engine.InspectImage(ctx, d.Object.ID)
		switch {
		case err == nil:
			u.retag(ctx, d)
		case !engine.IsNotFound(err):
			return err
		case d.Object.Step:
			u.say(d, true, "a step of a build is not brought back: the image has all of its layers")
		case !d.Archived:
			u.say(d, false, "%s: %s", u.missing, pullHint(d.Object))
		default:
			load = append(load, d)
		}
	}
	return u.restore(ctx, load)
}

func pullHint(o Object) string {
	if len(o.Digests) > 0 {
		return "pull " + o.Digests[0]
	}
	return "build it again"
}

func (u *undoing) retag(ctx context.Context, d Deed) {
	for _, tag := range d.Object.Tags {
		img, err := u.engine.InspectImage(ctx, tag)
		switch {
		case err == nil && img.ID != d.Object.ID:
			u.say(d, false, "tag %s means another image now", tag)
			return
		case err == nil:
			continue
		}
		if err := u.engine.Tag(ctx, d.Object.ID, tag); err != nil {
			u.say(d, false, "%v", err)
			return
		}
	}
	u.named(ctx, d)
}

func (u *undoing) volumes(ctx context.Context, deeds []Deed) error {
	var load []Deed
	for _, d := range deeds {
		_, err := u.engine.InspectVolume(ctx, d.Object.ID)
		switch {
		case err == nil:
			u.say(d, true, "a volume of this name is there already, and stays as it is")
		case !engine.IsNotFound(err):
			return err
		case !d.Archived:
			u.say(d, false, "%s", u.missing)
		default:
			load = append(load, d)
		}
	}
	return u.restore(ctx, load)
}

// restore restores images or volumes from the snapshot, all at once. One that the restore refuses does not keep the
// others from being restored.
func (u *undoing) restore(ctx context.Context, deeds []Deed) error {
	if len(deeds) == 0 {
		return nil
	}
	if u.archive == nil {
		return fmt.Errorf("open archive: run %s has none", u.record.ID)
	}
	trouble := map[string]string{}
	var left []string
	for _, d := range deeds {
		left = append(left, itemsToRestore(d.Object)...)
	}
	for len(left) > 0 {
		plan, err := backup.PlanRestore(ctx, u.archive, backup.RestoreOptions{Spec: u.record.Snapshot, Only: left})
		if err != nil {
			return err
		}
		before := len(left)
		for _, r := range plan.Refused {
			trouble[r.Item] = r.Reason
			left = slices.DeleteFunc(left, func(item string) bool { return item == r.Item || r.Item == "" })
		}
		if len(left) < before {
			continue
		}
		report, err := backup.ApplyRestore(ctx, u.archive, plan)
		if report == nil || ctx.Err() != nil {
			return err
		}
		for _, p := range report.Problems {
			trouble[p.Item] = p.Reason
		}
		break
	}
	for _, d := range deeds {
		reason := ""
		for _, item := range itemsToRestore(d.Object) {
			reason += trouble[item]
		}
		if reason == "" {
			reason = trouble[""]
		}
		if reason == "" && d.Object.Kind == Image {
			u.named(ctx, d)
			continue
		}
		u.say(d, reason == "", "%s", reason)
	}
	return nil
}

func itemsToRestore(o Object) []string {
	if o.Kind == Volume {
		return itemsOf(&o)[:1] // its definition comes along
	}
	return itemsOf(&o)
}

func (u *undoing) containers(ctx context.Context, deeds []Deed) error {
	names := map[string]string{}
	for _, d := range deeds {
		names[d.Object.ID] = d.Object.Name
	}
	for _, d := range inNeed(deeds) {
		_, err := u.engine.InspectContainer(ctx, d.Object.Name)
		switch {
		case err == nil:
			u.say(d, true, "a container of this name is there already")
			continue
		case !engine.IsNotFound(err):
			return err
		}
		note, err := u.container(ctx, d, names)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			note = err.Error()
		}
		u.say(d, err == nil, "%s", note)
	}
	return nil
}

// inNeed sorts containers so that each comes after those it needs.
func inNeed(deeds []Deed) []Deed {
	var sorted []Deed
	for left := slices.Clone(deeds); len(left) > 0; {
		i := slices.IndexFunc(left, func(d Deed) bool {
			return !slices.ContainsFunc(left, func(other Deed) bool {
				return other.Object.ID != d.Object.ID && slices.Contains(d.Object.Needs, other.Object.Ref)
			})
		})
		i = max(i, 0) // a ring: any order
		sorted, left = append(sorted, left[i]), slices.Delete(left, i, i+1)
	}
	return sorted
}

// container makes a container again and fills in what it had written.
func (u *undoing) container(ctx context.Context, d Deed, names map[string]string) (note string, err error) {
	raw, err := engine.NameReferences(d.Raw, names)
	if err != nil {
		return "", err
	}
	id, _, err := u.engine.CreateContainerFromInspect(ctx, raw)
	if err != nil {
		return "", err
	}
	if !d.Archived {
		return "made again, without what it had written into its own file system: " + u.missing, nil
	}
	if err := u.layer(ctx, d, id); err != nil {
		return "", errors.Join(err, u.engine.RemoveContainer(context.WithoutCancel(ctx), id))
	}
	return "", nil
}

// layer writes a container's own files into its new writable layer, which nothing has mounted: it does not run.
func (u *undoing) layer(ctx context.Context, d Deed, id string) (err error) {
	if u.archive == nil {
		return fmt.Errorf("open archive: run %s has none", u.record.ID)
	}
	snap, err := u.archive.Repo.Find(ctx, u.record.Snapshot, repo.Query{})
	if err != nil {
		return err
	}
	item, ok := layerItem(snap, d.Object.Name)
	if !ok {
		return errors.New("its writable layer is not in the archive")
	}
	facts, err := Read(ctx, u.engine, ReadOptions{Now: u.env.Now})
	if err != nil {
		return err
	}
	o := facts.index()[Ref{Container, id}]
	if o == nil || o.Path == "" || !facts.Engine.Local || !filepath.IsAbs(o.Path) {
		return errors.New("its writable layer cannot be reached from here")
	}
	root, err := hostfs.OpenRoot(o.Path)
	if err != nil {
		return fmt.Errorf("open writable layer: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	result, err := chunk.Restore(ctx, u.archive.Repo, item.Desc, root, chunk.RestoreOptions{})
	if err != nil {
		return fmt.Errorf("restore writable layer: %w", err)
	}
	for _, p := range result.Problems {
		if !p.Harmless() {
			return fmt.Errorf("restore writable layer: %s: %s", p.Path, p.Reason)
		}
	}
	return root.Syncfs()
}
