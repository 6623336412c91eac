package guard

import "slices"

// StopOrder sorts containers into levels by what depends on what: a level may be stopped,
// all at once, when those before it are stopped. Starting goes the other way round.
// Within a level the order of targets is kept. A circle of dependencies is one level.
func StopOrder(targets []Target) [][]Target {
	rest := slices.Clone(targets)
	var levels [][]Target
	for len(rest) > 0 {
		var level, later []Target
		for _, t := range rest {
			if needed(t, rest) {
				later = append(later, t)
			} else {
				level = append(level, t)
			}
		}
		if len(level) == 0 {
			return append(levels, rest)
		}
		levels = append(levels, level)
		rest = later
	}
	return levels
}

// needed tells whether another container of the list depends on t.
func needed(t Target, all []Target) bool {
	return slices.ContainsFunc(all, func(u Target) bool {
		return u.ID != t.ID && slices.ContainsFunc(u.DependsOn, func(name string) bool {
			return name == t.ID || name == t.Name ||
				t.Service != "" && name == t.Service && t.Project == u.Project
		})
	})
}
