package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"davit/engine"
)

// PlanCreate reads what the host holds and decides what a backup saves, how it is held meanwhile and
// what is left out. It changes nothing. Errors: *UsageError, *NotFoundError,
// *engine.UnreachableError.
func PlanCreate(ctx context.Context, env *Env, o CreateOptions) (*CreatePlan, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	b, err := newPlanBuilder(env, o)
	if err != nil {
		return nil, err
	}
	if o.Selection.NeedsEngine() {
		if err := b.readEngine(ctx, env); err != nil {
			return nil, err
		}
	}
	if err := b.addPaths(); err != nil {
		return nil, err
	}
	if b.inv != nil {
		if err := b.addEngineItems(ctx, env); err != nil {
			return nil, err
		}
	}
	if len(b.plan.Items) == 0 {
		return nil, nothingSelected(b.plan.Skipped)
	}
	b.labelExcludes()
	b.planGroups(env.Hooks)
	return b.plan, nil
}

// planBuilder collects a plan.
type planBuilder struct {
	plan    *CreatePlan
	options CreateOptions
	rules   bindRules
	inv     *inventory // nil without an engine
	chosen  *chosen
	sources []source
	probe   func(path string) (probed, error)
}

func newPlanBuilder(env *Env, o CreateOptions) (*planBuilder, error) {
	b := &planBuilder{
		plan: &CreatePlan{
			Items: []PlannedItem{}, Groups: []Group{}, Skipped: []Skipped{},
			Layers: []UnsavedLayer{}, Notes: []string{}, Options: o,
		},
		options: o,
		probe:   probePath,
	}
	repository, err := absolute(env.repositoryDir())
	if err != nil {
		return nil, err
	}
	b.rules = bindRules{repository: repository, probe: b.probe}
	for _, dir := range []string{env.StateDir, env.CacheDir} {
		if dir != "" {
			b.rules.state = append(b.rules.state, realPath(dir))
		}
	}
	for _, dir := range o.Selection.Include {
		real, err := absolute(dir)
		if err != nil {
			return nil, err
		}
		b.rules.include = append(b.rules.include, real)
	}
	return b, nil
}

// absolute is the real path of dir; "" stays "".
func absolute(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find folder %s: %w", dir, err)
	}
	return realPath(abs), nil
}

// readEngine takes the inventory and what is selected of it.
func (b *planBuilder) readEngine(ctx context.Context, env *Env) error {
	if env.Engine == nil {
		return &UsageError{Reason: "this selection needs an engine", Hint: "--path saves folders without one"}
	}
	s := b.options.Selection
	sized := s.Everything() || len(s.Containers)+len(s.Projects) > 0
	var err error
	if b.inv, err = discover(ctx, env, sized, b.options.Labels); err != nil {
		return err
	}
	if b.chosen, err = choose(b.inv, s); err != nil {
		return err
	}
	info := b.inv.info
	b.plan.Engine = &EngineInfo{
		Endpoint: b.inv.endpoint, Name: info.Name, Version: info.Version,
		Store: storeKind(info), Local: b.inv.local,
	}
	b.plan.platform = platform(info)
	if info.DataRoot != "" && b.inv.local {
		b.rules.dataRoot = realPath(info.DataRoot)
	}
	b.rules.containerd = containerdRoot(info, b.inv.local)
	if path, ok := strings.CutPrefix(b.inv.endpoint, "unix://"); ok {
		b.rules.sockets = []string{realPath(path)}
	}
	return nil
}

func containerdRoot(info engine.Info, local bool) string {
	if !local {
		return ""
	}
	if info.ContainerdRoot != "" {
		return realPath(info.ContainerdRoot)
	}
	return "/var/lib/containerd"
}

// addPaths adds what --path names. Such a path that cannot be saved ends the plan:
// the caller named it.
func (b *planBuilder) addPaths() error {
	for _, given := range b.options.Selection.Paths {
		name, err := filepath.Abs(given)
		if err != nil {
			return fmt.Errorf("find folder %s: %w", given, err)
		}
		path := realPath(name)
		if b.rules.repository != "" && overlap(b.rules.repository, path) {
			return &UsageError{
				Reason: fmt.Sprintf("repository %s lies inside the data being saved, or around it: %s", b.rules.repository, name),
				Hint:   "keep the repository on another disk, or leave that folder out",
			}
		}
		p, err := b.probe(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &NotFoundError{What: KindPath, Name: name, Where: "this host"}
		case err != nil:
			return fmt.Errorf("look at %s: %w", name, err)
		case !p.mode.IsDir() && !p.mode.IsRegular():
			return &UsageError{Reason: fmt.Sprintf("%s is a %s, neither a folder nor a file", name, typeName(p.mode))}
		}
		b.addTree(folderItem(KindPath, name, path, p))
	}
	return nil
}

// folderItem is the item of a folder or of a single file on this host.
func folderItem(kind, name, path string, p probed) PlannedItem {
	it := PlannedItem{Kind: kind, Name: name, Source: path, Bytes: UnknownSize}
	if p.mode.IsRegular() {
		it.Source, it.file = filepath.Dir(path), filepath.Base(path)
	}
	return it
}

// addTree adds an item that holds files, once.
func (b *planBuilder) addTree(it PlannedItem) {
	same := func(other PlannedItem) bool { return other.Kind == it.Kind && other.Name == it.Name }
	if slices.ContainsFunc(b.plan.Items, same) {
		return
	}
	it.Group = -1
	if it.Failure == "" {
		it.Consistency = b.options.Consistency
		path := it.Source
		if it.file != "" {
			path = filepath.Join(it.Source, it.file)
		}
		b.sources = append(b.sources, source{item: len(b.plan.Items), path: path})
	}
	b.plan.Items = append(b.plan.Items, it)
}

func (e *Env) repositoryDir() string {
	if e.Repo == nil || !e.Repo.Local() {
		return ""
	}
	return e.Repo.Dir()
}

// planGroups decides which containers are held for which items.
func (b *planBuilder) planGroups(hooks Hooks) {
	if b.inv == nil || len(b.sources) == 0 {
		for i := range b.plan.Items {
			if isTree(b.plan.Items[i].Kind) {
				b.plan.Items[i].Consistency = ConsistencyLive
			}
		}
		return
	}
	rules := &holdRules{
		consistency: b.options.Consistency,
		allowRMLoss: b.options.AllowRMLoss,
		repository:  b.rules.here(b.inv.local),
		label:       func(c engine.Container) string { return b.inv.label(c, LabelConsistency) },
		hooks:       hooks,
	}
	for _, s := range b.sources {
		rules.sources = append(rules.sources, s.path)
	}
	b.plan.planGroups(b.inv, rules, b.sources)
}
