package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"davit/backup/repo"
	"davit/engine"
)

// PlanRestore reads the snapshot and the host and decides what a restore does. It changes
// nothing. What cannot be done without harm is in the plan's Refused; errors are *UsageError,
// *NotFoundError and those of the repository and the engine.
func PlanRestore(ctx context.Context, env *Env, o RestoreOptions) (*RestorePlan, error) {
	o.Containers = o.Containers || o.Start
	ref, err := ParseItemRef(o.Spec)
	if err != nil {
		return nil, err
	}
	if err := o.check(ref); err != nil {
		return nil, err
	}
	if o.ComposeFiles != "" {
		if o.ComposeFiles, err = filepath.Abs(o.ComposeFiles); err != nil {
			return nil, fmt.Errorf("find target: %w", err)
		}
	}
	snap, other, err := findHost(ctx, env, ref, o)
	if err != nil {
		return nil, err
	}
	items, err := selectItems(snap, ref, o)
	if err != nil {
		return nil, err
	}
	b := &restoreBuilder{
		env: env, options: o, ref: ref, snapshot: snap,
		plan: &RestorePlan{
			Snapshot: snap.ID, Host: snap.Host, Time: snap.Time,
			Steps: []RestoreStep{}, Refused: []Refusal{}, Notes: []string{}, Options: o, snapshot: snap,
		},
	}
	if other {
		b.note("%s has no snapshot here: those of %s are taken, the only host that has", env.Host, snap.Host)
	}
	if err := b.build(ctx, items); err != nil {
		return nil, err
	}
	return b.plan, nil
}

// findHost finds the snapshot to restore. A whole host comes back from another's, and says so, when this host has none, as a
// new machine, and only one other has.
func findHost(ctx context.Context, env *Env, ref ItemRef, o RestoreOptions) (snap repo.Snapshot, other bool, err error) {
	snap, err = find(ctx, env, ref, Query{Host: o.Host, Job: o.Job})
	if !o.All || o.Host != "" || !errors.Is(err, repo.ErrNoSnapshot) {
		return snap, false, err
	}
	all, listErr := env.Repo.Snapshots(ctx)
	if listErr != nil {
		return snap, false, listErr
	}
	var hosts []string
	for _, s := range all {
		if s.Job != repo.JobPruneArchive {
			hosts = append(hosts, s.Host)
		}
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	switch {
	case len(hosts) == 1 && hosts[0] != env.Host:
		snap, err = find(ctx, env, ref, Query{Host: hosts[0], Job: o.Job})
		return snap, true, err
	case len(hosts) > 1 && !slices.Contains(hosts, env.Host):
		err = &UsageError{
			Reason: fmt.Sprintf("%s has no snapshot here, and several other hosts have", env.Host),
			Hint:   "name one with --host: " + joinNames(hosts),
		}
	}
	return snap, false, err
}

func (o RestoreOptions) check(ref ItemRef) error {
	targets := 0
	for _, set := range []bool{o.ToVolume != "", o.To != "", o.InPlace} {
		if set {
			targets++
		}
	}
	switch {
	case targets > 1:
		return &UsageError{Reason: "--to, --to-volume and --in-place exclude each other"}
	case o.ToVolume != "" && !isTree(ref.Kind):
		return &UsageError{Reason: "--to-volume needs one item that holds files", Hint: "name it: latest:volume/NAME"}
	case ref.Path != "" && !isTree(ref.Kind):
		return &UsageError{Reason: fmt.Sprintf("%s holds no files, so no path inside it either", FormatItem(ref.Kind, ref.Name))}
	case ref.Path != "" && o.To == "":
		return &UsageError{Reason: "a path inside an item needs --to DIR", Hint: "it is written below that folder under its own name"}
	case o.ComposeFiles != "" && o.ComposeInPlace:
		return &UsageError{Reason: "--compose-files and --compose-in-place exclude each other"}
	case (o.ComposeFiles != "" || o.ComposeInPlace) && (o.To != "" || o.ToVolume != ""):
		return &UsageError{Reason: "--compose-files and --compose-in-place belong to a restore into the engine, not to --to or --to-volume"}
	case ref.Kind != "" && len(o.Only) > 0:
		return &UsageError{Reason: "--only and an item in the snapshot's name exclude each other"}
	}
	return nil
}

// selectItems finds the items that are meant, in the snapshot's order.
func selectItems(snap repo.Snapshot, ref ItemRef, o RestoreOptions) ([]repo.Item, error) {
	if ref.Kind != "" {
		it, ok := snap.Find(ref.Kind, ref.Name)
		if !ok {
			return nil, noSuchItem(snap, ref.Kind, ref.Name)
		}
		return []repo.Item{it}, nil
	}
	if len(o.Only) == 0 {
		return snap.Items, nil
	}
	wanted := map[string]bool{}
	for _, only := range o.Only {
		if slices.Contains(kinds(), only) {
			wanted[only] = true
			continue
		}
		kind, name, err := ParseItemName(only)
		if err != nil {
			return nil, err
		}
		if _, ok := snap.Find(kind, name); !ok {
			return nil, noSuchItem(snap, kind, name)
		}
		wanted[FormatItem(kind, name)] = true
	}
	return slices.DeleteFunc(slices.Clone(snap.Items), func(it repo.Item) bool {
		return !wanted[it.Kind] && !wanted[FormatItem(it.Kind, it.Name)]
	}), nil
}

// restoreBuilder collects a plan.
type restoreBuilder struct {
	env      *Env
	options  RestoreOptions
	ref      ItemRef
	snapshot repo.Snapshot
	plan     *RestorePlan
	inv      *inventory // nil when the engine is not needed
	room     RoomNeeds
	records  map[string]restoreRecord // of earlier runs from this snapshot
}

func (b *restoreBuilder) build(ctx context.Context, items []repo.Item) error {
	if b.options.To != "" {
		if err := b.buildFiles(items); err != nil {
			return err
		}
		return b.finish()
	}
	if needsEngine(items, b.env.Engine != nil) || b.options.ToVolume != "" {
		if b.env.Engine == nil {
			return &UsageError{Reason: "this restore needs an engine", Hint: "--to DIR restores files without one"}
		}
		var err error
		if b.inv, err = discover(ctx, b.env, false, nil); err != nil {
			return err
		}
	}
	var err error
	if b.records, err = readRestoreRecords(b.env.StateDir, b.plan.Snapshot); err != nil {
		return err
	}
	// Compose files come after folders, which may hold them and have to be empty.
	steps := []func(context.Context, []repo.Item) error{
		b.addNetworks, b.addImages, b.addVolumes, b.addFolders, b.addComposeFiles, b.addContainers,
	}
	if b.options.ToVolume != "" {
		steps = []func(context.Context, []repo.Item) error{b.addToVolume}
	}
	for _, step := range steps {
		if err := step(ctx, items); err != nil {
			return err
		}
	}
	return b.finish()
}

// finish looks whether there is room for all of it, and something to do.
func (b *restoreBuilder) finish() error {
	if len(b.plan.Steps) == 0 && len(b.plan.Refused) == 0 {
		hint := ""
		if slices.ContainsFunc(b.plan.snapshot.Items, func(it repo.Item) bool { return it.Kind == KindContainer }) {
			hint = "--containers restores containers and networks, --to DIR writes anything as files"
		}
		return &UsageError{Reason: "nothing to restore is selected", Hint: hint}
	}
	refused, err := b.room.Check()
	b.plan.Refused = append(b.plan.Refused, refused...)
	return err
}

// needsEngine says whether an engine has to be asked. Where there is one, it also tells whose machine bind mounts
// belong to.
func needsEngine(items []repo.Item, there bool) bool {
	return slices.ContainsFunc(items, func(it repo.Item) bool {
		return there && it.Kind == KindBind || it.Kind != KindBind && it.Kind != KindPath && it.Kind != KindDefinition && it.Kind != KindRWLayer
	})
}

func (b *restoreBuilder) refuse(it repo.Item, reason, hint string) {
	b.plan.Refused = append(b.plan.Refused, Refusal{Item: FormatItem(it.Kind, it.Name), Reason: reason, Hint: hint})
}

func (b *restoreBuilder) note(format string, args ...any) {
	b.plan.Notes = append(b.plan.Notes, fmt.Sprintf(format, args...))
}

// treeStep is the step for an item that holds files.
func treeStep(action RestoreAction, it repo.Item, target string) RestoreStep {
	step := RestoreStep{
		Action: action, Kind: it.Kind, Name: it.Name, Target: target, item: it,
		Bytes: annotatedNumber(it, annBytes, UnknownSize), Entries: annotatedNumber(it, annEntries, 0),
	}
	if n := annotatedNumber(it, annProblems, 0); n > 0 {
		step.Note = fmt.Sprintf("%d %s missing or marked in the snapshot", n, plural(int(n), "file is", "files are"))
	}
	return step
}

// addFolders adds bind mounts and paths, which go back to where they came from.
func (b *restoreBuilder) addFolders(_ context.Context, items []repo.Item) error {
	for _, it := range items {
		switch it.Kind {
		case KindBind, KindPath:
		case KindRWLayer:
			b.plan.Notes = append(b.plan.Notes, "writable layers are restored only with --to: "+it.Name)
			continue
		default:
			continue
		}
		if b.inv != nil && b.inv.agents && it.Kind == KindBind {
			b.addFarFolder(it)
			continue
		}
		if b.inv != nil && !b.inv.local {
			b.refuse(it, "the engine is not local: "+b.inv.notLocal, "--to DIR writes it here")
			continue
		}
		if err := b.addFolder(it); err != nil {
			return err
		}
	}
	return nil
}

// folderStep is the step for an item that goes back to where it came from; false when that is not known.
func (b *restoreBuilder) folderStep(it repo.Item) (RestoreStep, bool) {
	target := annotatedText(it, annSource)
	if !path.IsAbs(target) {
		b.refuse(it, "the snapshot does not say where it was", "--to DIR writes it elsewhere")
		return RestoreStep{}, false
	}
	step := treeStep(ActionWriteFolder, it, target)
	step.file = annotatedText(it, annFile)
	if step.file != "" && (step.file != path.Base(step.file) || step.file == "." || step.file == "..") {
		b.refuse(it, fmt.Sprintf("the snapshot names %q as a file", step.file), "")
		return RestoreStep{}, false
	}
	return step, true
}

// addFarFolder adds a folder of the engine's host, which is another machine. Whether it is empty is seen when it is
// written.
func (b *restoreBuilder) addFarFolder(it repo.Item) {
	step, ok := b.folderStep(it)
	if !ok {
		return
	}
	step.far = true
	if step.file == "" {
		step.addNote("on the engine's host, if it is empty there, which its helper container will tell")
	}
	b.plan.Steps = append(b.plan.Steps, step)
}

func (b *restoreBuilder) addFolder(it repo.Item) error {
	step, ok := b.folderStep(it)
	if !ok {
		return nil
	}
	target := step.Target
	if file := step.file; file != "" {
		path := filepath.Join(target, file)
		if b.keepRestored(it, path, path, "") {
			return nil
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			b.refuse(it, path+" is there already", "--to DIR writes it elsewhere")
			return nil
		}
		step.staged = true
	} else {
		if b.keepRestored(it, target, target, "") {
			return nil
		}
		empty, err := absentOrEmpty(target)
		if err != nil {
			return err
		}
		if step.staged, err = b.canStage(target); err != nil {
			return err
		}
		if !empty {
			b.refuse(it, target+" is not empty", "--to DIR writes it elsewhere, --only KIND/NAME restores other items")
			return nil
		}
	}
	b.room.add(target, it)
	b.plan.Steps = append(b.plan.Steps, step)
	return nil
}

// canStage reports whether a folder that was restored elsewhere can be renamed to target: not where something is
// mounted, nor to a folder that a container sees already.
func (b *restoreBuilder) canStage(target string) (bool, error) {
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return true, nil
	case err != nil || !info.IsDir():
		return false, err
	}
	mounted, err := isMountPoint(target)
	if err != nil || mounted || b.inv == nil {
		return false, err
	}
	return len(b.runningUsers(engine.Volume{Mountpoint: target})) == 0, nil
}

// absentOrEmpty reports whether a folder can take a restore.
func absentOrEmpty(dir string) (bool, error) {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at target: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("look at target: %w", err)
	}
	if !info.IsDir() {
		return false, nil
	}
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at target: %w", err)
	}
	return false, nil
}

// definitionOf finds a volume's definition in the snapshot.
func (b *restoreBuilder) definitionOf(ctx context.Context, volume string) (engine.VolumeSpec, bool, error) {
	it, ok := b.snapshot.Find(KindDefinition, volumeDefinition(volume))
	if !ok {
		return engine.VolumeSpec{Name: volume, Driver: "local"}, false, nil
	}
	data, _, err := readDefinition(ctx, b.env.Repo, it.Desc)
	if err != nil {
		return engine.VolumeSpec{}, false, fmt.Errorf("read definition of volume %s: %w", volume, err)
	}
	spec, err := volumeSpec(data)
	if err != nil {
		return engine.VolumeSpec{}, false, fmt.Errorf("read definition of volume %s: %w", volume, err)
	}
	spec.Name = volume
	return spec, true, nil
}
