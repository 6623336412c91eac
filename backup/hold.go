package backup

import (
	"slices"

	"davit/engine"
)

// holdRules decides what is done to a running container that writes to selected data.
type holdRules struct {
	consistency Consistency
	allowRMLoss bool
	repository  string                          // real path
	sources     []string                        // real paths of the folders that are read
	label       func(c engine.Container) string // what the container says of its consistency
	hooks       Hooks                           // nil for none
}

// decide returns how a container is held, why otherwise than asked, and whether
// what it writes is then read as it stood at one moment.
func (r *holdRules) decide(c engine.Container) (Hold, string, bool) {
	want, why := r.wants(c)
	switch {
	case want == ConsistencyLive:
		return HoldNone, why, false
	case c.Paused:
		return HoldNone, "it is paused already", true
	}
	if serves := r.serves(c); serves != "" {
		return HoldNone, serves, false
	}
	if want == ConsistencyStop {
		switch {
		case c.Swarm:
			return HoldPause, "a swarm task is not stopped", true
		case c.AutoRemove && !r.allowRMLoss:
			return HoldPause, "stopping a --rm container deletes its anonymous volumes; --allow-rm-loss stops it", true
		}
		return HoldStop, why, true
	}
	if c.Restarting {
		return HoldNone, "it is restarting, and the engine does not pause it then", false
	}
	return HoldPause, why, true
}

// wants is how the container is to be held, by its label before the run's own, and why otherwise than the run.
func (r *holdRules) wants(c engine.Container) (Consistency, string) {
	own := Consistency(r.label(c))
	switch own {
	case r.consistency:
	case ConsistencyPause, ConsistencyStop, ConsistencyLive:
		return own, "label " + LabelConsistency + "=" + string(own)
	}
	return r.consistency, ""
}

// serves says why holding the container could hang what davit reads or writes.
func (r *holdRules) serves(c engine.Container) string {
	for _, m := range c.Mounts {
		if m.Source != "" && m.Source != "/" && r.repository != "" && overlap(realPath(m.Source), r.repository) {
			return "it holds the repository"
		}
	}
	facts := readContainerFacts(c.Raw)
	if slices.Contains(facts.ports, "53") {
		return "it answers DNS"
	}
	for _, dir := range facts.shared {
		dir = realPath(dir)
		served := func(source string) bool { return dir != "/" && within(dir, source) }
		if slices.ContainsFunc(append(slices.Clone(r.sources), r.repository), served) {
			return "it may serve the mount at " + dir
		}
	}
	return ""
}
