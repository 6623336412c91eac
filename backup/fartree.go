package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"time"

	"davit/backup/agent"
	"davit/backup/chunk"
	"davit/engine"
)

// farAgents are the agents of one run of create. Plain volumes share one: they are always there, and to start a
// container takes half a second. Whatever may fail to be mounted has one of its own.
type farAgents struct {
	agents Agents
	plain  []*PlannedItem
	shared *agent.Helper
	failed bool // the shared one does not start: each item gets its own, which tells whose fault it is
}

func newFarAgents(agents Agents, plan *CreatePlan) *farAgents {
	f := &farAgents{agents: agents}
	for i := range plan.Items {
		if it := &plan.Items[i]; it.far && it.Kind == KindVolume && !it.helper {
			f.plain = append(f.plain, it)
		}
	}
	return f
}

// close ends the shared agent. That it could not be ended is told by davit recover.
func (f *farAgents) close() error {
	if f.shared == nil {
		return nil
	}
	return f.shared.Close(context.Background())
}

// farMount is where an agent sees an item. A bind mount keeps its last name: it may be a file.
func farMount(it *PlannedItem, number int) engine.AgentMount {
	dir := "/tree/" + strconv.Itoa(number)
	if it.Kind == KindVolume {
		return engine.AgentMount{Volume: it.Name, Target: dir}
	}
	return engine.AgentMount{Source: it.Source, Target: dir + "/" + path.Base(it.Source)}
}

// open opens an item's files; own is the agent that belongs to it alone, or nil.
func (f *farAgents) open(ctx context.Context, it *PlannedItem) (place *agent.Place, own *agent.Helper, err error) {
	number := slices.Index(f.plain, it)
	if number >= 0 && f.shared == nil && !f.failed {
		mounts := make([]engine.AgentMount, len(f.plain))
		for i, plain := range f.plain {
			mounts[i] = farMount(plain, i)
		}
		if f.shared, err = f.agents.Start(ctx, mounts, false); err != nil {
			f.failed = len(f.plain) > 1
			if !f.failed {
				return nil, nil, err
			}
		}
	}
	if number >= 0 && f.shared != nil {
		place, err = f.shared.Open(ctx, farMount(it, number).Target)
		return place, nil, err
	}
	m := farMount(it, 0)
	if own, err = f.agents.Start(ctx, []engine.AgentMount{m}, false); err != nil {
		return nil, nil, err
	}
	if place, err = own.Open(ctx, m.Target); err != nil {
		return nil, nil, errors.Join(err, own.Close(context.WithoutCancel(ctx)))
	}
	return place, own, nil
}

// openFarTree opens the files of an item on another machine.
func (r *createRun) openFarTree(ctx context.Context, it *PlannedItem) (*tree, error) {
	place, own, err := r.agents.open(ctx, it)
	if err != nil {
		return nil, fmt.Errorf("reach files of %s: %w", it.Ref(), err)
	}
	if place.File != "" {
		whole := *it
		whole.file, whole.Source = place.File, path.Dir(it.Source)
		it = &whole
	}
	t := &tree{item: it, skip: newExcludePatterns(nil), notEntered: map[string]string{}}
	t.files = place.Tree(agent.TreeOptions{
		Exclude:    slices.Concat(r.plan.Options.Selection.Exclude, it.Exclude),
		NotEntered: t.noteNotEntered,
	})
	if own != nil {
		t.ends = append(t.ends, own.Close)
	}
	t.cache = chunk.OpenCache(r.cachePath(it), r.env.Repo.Config().ID+" "+it.Ref())
	return t, nil
}

// ServeAgent is the other side: it answers in and out until in ends.
func ServeAgent(in io.Reader, out io.Writer, version string) error {
	return agent.Serve(in, out, version, agent.Rules{
		Skip:  func(patterns []string) func(dir, name string) bool { return newExcludePatterns(patterns).match },
		Enter: whyNotEntered,
		Now:   time.Now,
	})
}
