package backup

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"davit/engine"
)

// Hooks knows what runs inside containers around the moment at which their files are read.
type Hooks interface {
	// Of returns the hook of a container by the labels that steer davit, nil when it has none. An error says
	// what is wrong with the labels.
	Of(c engine.Container, labels map[string]string) (Hook, error)
}

// Hook is what runs inside one container.
type Hook interface {
	Describe() string // in one line, for a plan
	// Pre runs before the container is held. Its error fails the items that the container writes to.
	Pre(ctx context.Context) error
	// Post runs when the container is let go, whatever became of Pre and of the reading, and also when ctx is done.
	Post(ctx context.Context) error
}

// GroupHook is a hook of one container of a group.
type GroupHook struct {
	Container string   `json:"container"`
	Runs      string   `json:"runs"`
	Items     []string `json:"items"` // refs of what the container writes to

	hook Hook
}

// addHook plans the hook of a container, if it has one. Labels that mean nothing fail what it writes to:
// a database that was to be dumped and was not is no backup.
func (p *CreatePlan) addHook(g *Group, w *writer) {
	if p.rules.hooks == nil {
		return
	}
	hook, err := p.rules.hooks.Of(w.container, p.inv.own[w.container.ID])
	if hook == nil && err == nil {
		return
	}
	planned := GroupHook{Container: w.container.Name, hook: hook}
	for _, src := range g.sources {
		if !w.touches(src.path) {
			continue
		}
		it := &p.Items[src.item]
		if err != nil && it.Failure == "" {
			it.Failure = fmt.Sprintf("labels of container %s: %v", w.container.Name, err)
		}
		planned.Items = append(planned.Items, it.Ref())
	}
	if err == nil {
		planned.Runs = hook.Describe()
		g.Hooks = append(g.Hooks, planned)
	}
}

// labelExcludes gives the items what labels of containers say is to be left out of them.
func (b *planBuilder) labelExcludes() {
	if b.inv == nil {
		return
	}
	for _, c := range b.inv.containers {
		for pattern := range strings.SplitSeq(b.inv.label(c, LabelExclude), ",") {
			pattern = strings.TrimSpace(pattern)
			if pattern == "" {
				continue
			}
			if _, err := filepath.Match(strings.TrimPrefix(pattern, "/"), ""); err != nil {
				b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("container %s: label %s: %q is no pattern", c.Name, LabelExclude, pattern))
				continue
			}
			b.excludeFrom(c, pattern)
		}
	}
}

// excludeFrom adds a pattern to the items that a container mounts.
func (b *planBuilder) excludeFrom(c engine.Container, pattern string) {
	for i := range b.plan.Items {
		it := &b.plan.Items[i]
		mounted := slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool {
			return it.Kind == KindVolume && m.Type == "volume" && m.Name == it.Name ||
				it.Kind == KindBind && m.Type == "bind" && realPath(m.Source) == it.Name
		})
		if mounted || it.Kind == KindRWLayer && it.Name == c.Name {
			it.Exclude = append(it.Exclude, pattern)
		}
	}
}

// readGroup reads the last of a group's trees, with the hooks of its containers around it, and returns the trees
// that are to be saved: those that no hook failed.
func (r *createRun) readGroup(ctx context.Context, g *Group, trees []*tree) ([]*tree, error) {
	tried := 0
	release := func() {
		r.runPost(ctx, g.Hooks[:tried])
		tried = 0
	}
	// Whatever happens below, what was begun is ended: the second time there is nothing left to do.
	defer release()
	for i := range g.Hooks {
		h := &g.Hooks[i]
		tried = i + 1
		r.env.reporter().Item("hook in " + h.Container)
		if err := h.hook.Pre(ctx); err != nil {
			var failed error
			if trees, failed = r.failTrees(ctx, h.Items, trees, fmt.Errorf("hook in container %s: %w", h.Container, err)); failed != nil {
				return nil, failed
			}
		}
	}
	if len(trees) == 0 {
		return nil, nil
	}
	return r.readBetween(ctx, g, trees, release)
}

// readBetween reads a group's trees between its hooks.
func (r *createRun) readBetween(ctx context.Context, g *Group, trees []*tree, release func()) ([]*tree, error) {
	if len(g.Hooks) == 0 {
		return trees, r.readFrozen(ctx, g, trees, release)
	}
	// Hooks may write much, a dump for instance: that is better read before anything stands still.
	trees, _, err := r.pass(ctx, trees, nil, g.holds())
	if err != nil || len(trees) == 0 || !g.holds() {
		release()
		return trees, err
	}
	return trees, r.readFrozen(ctx, g, trees, release)
}

// runPost runs what ends hooks, the last begun first. What goes wrong is a problem of the items, which are saved all the same.
func (r *createRun) runPost(ctx context.Context, hooks []GroupHook) {
	for _, h := range slices.Backward(hooks) {
		err := h.hook.Post(context.WithoutCancel(ctx))
		if err == nil {
			continue
		}
		for _, ref := range h.Items {
			r.report.problem(Problem{Item: ref, Reason: fmt.Sprintf("hook in container %s: %v", h.Container, err)})
		}
	}
}

// failTrees notes why some trees are not saved and returns the others.
func (r *createRun) failTrees(ctx context.Context, refs []string, trees []*tree, why error) ([]*tree, error) {
	var left []*tree
	for _, t := range trees {
		if !slices.Contains(refs, t.item.Ref()) {
			left = append(left, t)
			continue
		}
		if err := r.fail(ctx, t.item, why); err != nil {
			return nil, err
		}
	}
	return left, nil
}
