package main

import (
	"fmt"

	"davit/backup"
	"davit/prune"

	"github.com/urfave/cli/v2"
)

// planBesidePrune plans a backup that no prune gets in the way of: one that runs is waited for, and one that starts
// leaves alone what is planned until done is called. What is in use is noted, for policies that ask for the last use of
// an image.
func (h *host) planBesidePrune(c *cli.Context, env *backup.Env, o backup.CreateOptions) (_ *backup.CreatePlan, done func(), err error) {
	engine, ok := env.Engine.(prune.Reader)
	if !ok { // without an engine nothing that prune removes is saved
		plan, err := backup.PlanCreate(c.Context, env, o)
		return plan, func() {}, err
	}
	text := &textWriter{w: h.err}
	beside, err := prune.BeginBackup(c.Context, env.StateDir, func(what string) { text.linef("waiting: %s", what) })
	if err != nil {
		return nil, nil, fmt.Errorf("wait for prune: %w", err)
	}
	done = func() {
		if err := beside.Close(); err != nil {
			text.linef("warning: %s", oneLine(err))
		}
	}
	plan, err := backup.PlanCreate(c.Context, env, o)
	if err == nil {
		err = beside.Saves(plannedItems(plan))
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	if err := prune.Observe(c.Context, engine, env.StateDir, h.now); err != nil { // the backup is what matters
		text.linef("warning: uses of images are not noted: %s", oneLine(err))
	}
	return plan, done, nil
}

func plannedItems(plan *backup.CreatePlan) []string {
	items := make([]string, 0, len(plan.Items))
	for _, it := range plan.Items {
		items = append(items, it.Ref())
	}
	return items
}
