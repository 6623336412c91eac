package backup

import (
	"slices"

	"davit/engine"
)

// holdRules decides what is done to a running container that writes to selected data.
type holdRules struct {
	consistency Consistency
	allowRMLoss bool
	repository  string   // real path
	sources     []string // real paths of the folders that are read
	live        func(c engine.Container) bool
}

// decide returns how a container is held, why otherwise than asked, and whether
// what it writes is then read as it stood at one moment.
func (r *holdRules) decide(c engine.Container) (Hold, string, bool) {
	if c.Paused {
		return HoldNone, "it is paused already", true
	}
	if r.live(c) {
		return HoldNone, "label " + LabelConsistency + "=live", false
	}
	if why := r.serves(c); why != "" {
		return HoldNone, why, false
	}
	if r.consistency == ConsistencyStop {
		switch {
		case c.Swarm:
			return HoldPause, "a swarm task is not stopped", true
		case c.AutoRemove && !r.allowRMLoss:
			return HoldPause, "stopping a --rm container deletes its anonymous volumes; --allow-rm-loss stops it", true
		}
		return HoldStop, "", true
	}
	if c.Restarting {
		return HoldNone, "it is restarting, and the engine does not pause it then", false
	}
	return HoldPause, "", true
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
