package guard

import (
	"fmt"
	"strings"
)

// AutoRemoveError refuses to stop containers that a stop would delete.
type AutoRemoveError struct{ Names []string }

func (e *AutoRemoveError) Error() string {
	return "stop would delete --rm containers and their anonymous volumes: " + strings.Join(e.Names, ", ")
}

// SwarmError refuses to stop tasks, which the swarm would replace at once.
type SwarmError struct{ Names []string }

func (e *SwarmError) Error() string {
	return "swarm tasks are not stopped: " + strings.Join(e.Names, ", ")
}

// RestartingError refuses to pause containers that are between two restarts: the engine
// cannot pause them, and they may write again at any moment.
type RestartingError struct{ Names []string }

func (e *RestartingError) Error() string {
	return "containers keep restarting and cannot be paused: " + strings.Join(e.Names, ", ")
}

// NewerJournalError is a journal written by a newer davit.
type NewerJournalError struct {
	Path    string
	Version int
}

func (e *NewerJournalError) Error() string {
	return fmt.Sprintf("read journal %s: version %d is newer than this davit", e.Path, e.Version)
}

// refuse names the reason why these containers may not be frozen, or returns nil.
func refuse(states []State, mode Mode, allowRMLoss bool) error {
	var rm, swarm, restarting []string
	for _, s := range states {
		switch {
		case mode == Stop && s.Swarm:
			swarm = append(swarm, s.Name)
		case mode == Stop && s.AutoRemove && !allowRMLoss:
			rm = append(rm, s.Name)
		case mode == Pause && s.Restarting:
			restarting = append(restarting, s.Name)
		}
	}
	switch {
	case len(swarm) > 0:
		return &SwarmError{swarm}
	case len(rm) > 0:
		return &AutoRemoveError{rm}
	case len(restarting) > 0:
		return &RestartingError{restarting}
	}
	return nil
}
