package migrate

import (
	"context"
	"encoding/json"
	"slices"

	"davit/engine"
)

// forgetEnded forgets containers that ran when they were held and came to their end by themselves since, before
// anything was stopped: a job that is done must not run a second time. Those that their own policy would have started
// again are started again.
func (r *work) forgetEnded(all []engine.Container) {
	r.state.Ran = slices.DeleteFunc(r.state.Ran, func(k Ran) bool {
		i := slices.IndexFunc(all, func(c engine.Container) bool { return c.ID == k.ID })
		return i >= 0 && !all[i].Running && !all[i].Restarting && r.staysDown(all[i])
	})
	r.state.Report.Stopped = len(r.state.Ran)
}

// staysDown tells whether a container that has ended would have stayed so under the policy that it had before.
func (r *work) staysDown(c engine.Container) bool {
	i := slices.IndexFunc(r.state.Held, func(h Held) bool { return h.ID == c.ID })
	if i < 0 {
		return true
	}
	var doc struct{ State struct{ ExitCode int } }
	return r.state.Held[i].Policy.Name == "on-failure" && json.Unmarshal(c.Raw, &doc) == nil && doc.State.ExitCode == 0
}

// stopAgain stops containers that did not run before and that an engine has started by their policies, which it does
// when they are not held. What cannot be stopped is a problem.
func (r *work) stopAgain(ctx context.Context) {
	if !r.state.Plan.Options.NoHold || r.state.Inventory == nil {
		return
	}
	all, err := r.engine.Containers(ctx)
	if err != nil {
		r.problem("%v", err)
		return
	}
	for _, c := range all {
		ran := slices.ContainsFunc(r.state.Ran, func(k Ran) bool { return k.ID == c.ID })
		known := slices.ContainsFunc(r.state.Inventory.Objects, func(o Object) bool { return o.Kind == "container" && o.ID == c.ID })
		if ran || !known || !c.Running && !c.Restarting {
			continue
		}
		if err := r.engine.Stop(ctx, c.ID); err != nil && !engine.IsNotFound(err) {
			r.problem("%v", err)
		}
	}
}
