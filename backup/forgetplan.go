package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"davit/backup/repo"
)

// ForgetOptions say which snapshots are to go: those named, or those that a policy does not keep.
type ForgetOptions struct {
	Specs  []string   // snapshots; none: the policy decides
	Policy KeepPolicy // applied to each host and job on its own
	Host   string     // only snapshots of this host; "" is all
	Job    string     // only snapshots of this job; "" is all
	// LoseItems lets the last complete snapshot of a volume, bind mount or path go as well.
	LoseItems bool
}

// ForgetPlan is what a forget would do.
type ForgetPlan struct {
	Groups  []ForgetGroup `json:"groups"`
	Remove  []string      `json:"remove"` // ids
	Refused []Refusal     `json:"refused"`
	Notes   []string      `json:"notes"`

	options ForgetOptions
	ids     []string // that were named
	now     time.Time
}

// ForgetGroup is the snapshots of one host and job, newest first.
type ForgetGroup struct {
	Host      string           `json:"host"`
	Job       string           `json:"job"`
	Snapshots []ForgetDecision `json:"snapshots"`
}

// ForgetDecision is what happens to one snapshot, and why.
type ForgetDecision struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Complete bool      `json:"complete"`
	Keep     bool      `json:"keep"`
	Reasons  []string  `json:"reasons"`         // why it is kept
	Loses    []string  `json:"loses,omitempty"` // KIND/NAME that no other complete snapshot holds
}

// PlanForget decides which snapshots go. Snapshots that cannot be read, and those that prune made, are left alone.
func PlanForget(ctx context.Context, env *Env, o ForgetOptions) (*ForgetPlan, error) {
	switch {
	case len(o.Specs) == 0 && o.Policy.Empty():
		return nil, &UsageError{Reason: "nothing says which snapshots are to go", Hint: "name snapshots, or say what to keep: --keep-daily 7 --keep-weekly 5"}
	case len(o.Specs) > 0 && !o.Policy.Empty():
		return nil, &UsageError{Reason: "snapshots are named, and there is a policy", Hint: "do one after the other"}
	case o.Job == repo.JobPruneArchive:
		return nil, &UsageError{Reason: "the archives of prune are not forgotten by a policy"}
	}
	if err := o.Policy.check(); err != nil {
		return nil, err
	}
	p := &ForgetPlan{options: o, now: env.Now(), Notes: []string{}}
	for _, spec := range o.Specs {
		s, err := env.Repo.Find(ctx, spec, repo.Query{Host: cmp.Or(o.Host, env.Host), Job: o.Job})
		if err != nil {
			return nil, err
		}
		p.ids = append(p.ids, s.ID)
	}
	snaps, err := env.Repo.Snapshots(ctx)
	var unreadable *repo.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	if unreadable != nil {
		for _, u := range unreadable.Problems {
			p.Notes = append(p.Notes, fmt.Sprintf("snapshot %s cannot be read and stays: %v", u.ID, u.Err))
		}
	}
	p.decide(snaps)
	return p, nil
}

// decide fills the plan in for the snapshots that there are.
func (p *ForgetPlan) decide(snaps []repo.Snapshot) {
	p.Groups, p.Remove, p.Refused = []ForgetGroup{}, []string{}, []Refusal{}
	k := keeper{plan: p, keeps: map[string][]string{}, loses: map[string][]string{}}
	for _, group := range groupSnapshots(snaps) {
		k.group(group)
	}
	k.guardItems()
	for _, group := range k.groups {
		p.add(&k, group)
	}
	slices.SortStableFunc(p.Groups, func(a, b ForgetGroup) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Job, b.Job))
	})
}

// add puts a group into the plan, if it is one that was asked for.
func (p *ForgetPlan) add(k *keeper, group []repo.Snapshot) {
	if !p.concerns(group) {
		return
	}
	g := ForgetGroup{Host: group[0].Host, Job: group[0].Job, Snapshots: []ForgetDecision{}}
	for _, s := range group {
		d := ForgetDecision{ID: s.ID, Time: s.Time, Complete: s.Complete, Reasons: k.keeps[s.ID], Loses: k.loses[s.ID]}
		d.Keep = len(d.Reasons) > 0
		if !d.Keep {
			p.Remove = append(p.Remove, s.ID)
		}
		g.Snapshots = append(g.Snapshots, d)
	}
	p.Groups = append(p.Groups, g)
}

// concerns tells whether something may go of a group.
func (p *ForgetPlan) concerns(group []repo.Snapshot) bool {
	if len(p.ids) > 0 {
		return slices.ContainsFunc(group, func(s repo.Snapshot) bool { return slices.Contains(p.ids, s.ID) })
	}
	first, o := group[0], p.options
	return first.Job != repo.JobPruneArchive && (o.Host == "" || o.Host == first.Host) && (o.Job == "" || o.Job == first.Job)
}

// groupSnapshots splits a list by host and job and keeps its order.
func groupSnapshots(snaps []repo.Snapshot) [][]repo.Snapshot {
	type key struct{ host, job string }
	at := map[key]int{}
	var groups [][]repo.Snapshot
	for _, s := range snaps {
		k := key{s.Host, s.Job}
		n, ok := at[k]
		if !ok {
			n = len(groups)
			at[k], groups = n, append(groups, nil)
		}
		groups[n] = append(groups[n], s)
	}
	return groups
}
