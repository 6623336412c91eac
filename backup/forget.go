package backup

import (
	"context"
	"slices"

	"davit/backup/repo"
)

// ApplyForget carries a plan out and returns the ids that are gone; it decides anew on what there is by then, and
// changes nothing when that would keep what the plan removes. Blobs stay until gc, and until then
// repo.Repository.Undelete brings the snapshots back.
func ApplyForget(ctx context.Context, env *Env, plan *ForgetPlan) ([]string, error) {
	if len(plan.Refused) > 0 {
		return nil, &RefusedError{Action: "forget", Reasons: plan.Refused}
	}
	if len(plan.Remove) == 0 {
		return nil, nil
	}
	return env.Repo.Forget(ctx, func(snaps []repo.Snapshot) ([]string, error) {
		now := *plan
		now.decide(snaps)
		for _, id := range plan.Remove {
			if !slices.Contains(now.Remove, id) || len(now.Refused) > 0 {
				return nil, &RefusedError{Action: "forget", Reasons: []Refusal{{
					Reason: "the repository has changed meanwhile: snapshot " + id + " is to be kept now, or is gone",
					Hint:   "look at the plan again",
				}}}
			}
		}
		return plan.Remove, nil
	})
}
