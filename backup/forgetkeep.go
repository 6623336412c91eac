package backup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"davit/backup/repo"
)

// keeper collects the reasons to keep snapshots.
type keeper struct {
	plan   *ForgetPlan
	groups [][]repo.Snapshot
	keeps  map[string][]string // reasons by id
	loses  map[string][]string // items by id
}

// group decides on the snapshots of one host and job.
func (k *keeper) group(group []repo.Snapshot) {
	k.groups = append(k.groups, group)
	p := k.plan
	var reasons [][]string
	if len(p.ids) == 0 && p.concerns(group) {
		reasons = p.options.Policy.keepReasons(group, p.now)
	}
	for i, s := range group {
		switch {
		case s.Job == repo.JobPruneArchive:
			k.keeps[s.ID] = []string{"prune made it"}
			if slices.Contains(p.ids, s.ID) {
				p.Refused = append(p.Refused, Refusal{Reason: "snapshot " + s.ID + " is an archive of prune"})
			}
		case reasons != nil:
			k.keeps[s.ID] = append(reasons[i], p.options.Policy.tagReasons(s)...)
		case !slices.Contains(p.ids, s.ID):
			k.keeps[s.ID] = []string{"not named"}
		}
	}
}

// guardItems sees to it that the last complete snapshot of an item does not go unnoticed. What people name and expect
// to find, it keeps; what comes and goes by itself, like images and anonymous volumes, it names.
func (k *keeper) guardItems() {
	holders := k.holders()
	for _, item := range slices.Sorted(maps.Keys(holders)) {
		list := holders[item]
		if slices.ContainsFunc(list, func(s repo.Snapshot) bool { return len(k.keeps[s.ID]) > 0 }) {
			continue
		}
		newest, ref := list[0], item[strings.IndexByte(item, 0)+1:]
		switch {
		case !isLasting(ref) || k.plan.options.LoseItems:
			k.loses[newest.ID] = append(k.loses[newest.ID], ref)
		case len(k.plan.ids) == 0:
			k.keeps[newest.ID] = []string{"last complete snapshot of " + ref}
		default:
			k.loses[newest.ID] = append(k.loses[newest.ID], ref)
			k.plan.Refused = append(k.plan.Refused, Refusal{
				Item:   ref,
				Reason: fmt.Sprintf("snapshot %s is the last complete one that holds it", newest.ID),
				Hint:   "--lose-items lets it go",
			})
		}
	}
}

// holders lists for every item of a host, as HOST\0KIND/NAME, the complete snapshots that hold it, newest first; where
// none is complete, the others.
func (k *keeper) holders() map[string][]repo.Snapshot {
	complete, partial := map[string][]repo.Snapshot{}, map[string][]repo.Snapshot{}
	for _, group := range k.groups {
		for _, s := range group {
			if s.Job == repo.JobPruneArchive {
				continue
			}
			into := partial
			if s.Complete {
				into = complete
			}
			for _, it := range s.Items {
				key := s.Host + "\x00" + FormatItem(it.Kind, it.Name)
				into[key] = append(into[key], s)
			}
		}
	}
	for key, list := range partial {
		if len(complete[key]) == 0 {
			complete[key] = list
		}
	}
	for _, list := range complete {
		slices.SortStableFunc(list, func(a, b repo.Snapshot) int { return b.Time.Compare(a.Time) })
	}
	return complete
}

// isLasting tells the items that a person has named from those that come and go.
func isLasting(ref string) bool {
	kind, name, _ := strings.Cut(ref, "/")
	switch kind {
	case KindVolume:
		anonymous := len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
		return !anonymous
	case KindBind, KindPath:
		return true
	}
	return false
}
