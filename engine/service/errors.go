package service

import (
	"fmt"
	"strings"

	"davit/engine/systemd"
)

// NotFoundError means that no unit runs an engine here.
type NotFoundError struct{ Names []string }

func (e *NotFoundError) Error() string {
	return "no unit " + strings.Join(e.Names, " or ") + " on this host"
}

// MaskedError means that the operator, or a tool, made it impossible to start a unit.
type MaskedError struct {
	Unit    string
	Runtime bool // until the next boot
}

func (e *MaskedError) Error() string { return "start " + e.Unit + ": it is masked" }

// NotRunningError means that there is nothing to reload.
type NotRunningError struct{ Unit string }

func (e *NotRunningError) Error() string { return e.Unit + " does not run" }

// FailedError is a start, stop or reload that went wrong.
type FailedError struct {
	Verb    systemd.Verb
	Unit    string
	Reason  string         // what the engine or the manager said
	Retries bool           // the manager tries again by itself
	Journal []systemd.Line // what was said since
}

func (e *FailedError) Error() string { return fmt.Sprintf("%s %s: %s", e.Verb, e.Unit, e.Reason) }

// SlowError means that the time was up before the end. What was begun goes on.
type SlowError struct {
	Verb systemd.Verb
	Unit string
}

func (e *SlowError) Error() string {
	return fmt.Sprintf("%s %s: it takes longer than allowed here, and goes on", e.Verb, e.Unit)
}

// LossError means that stopping the engine would delete containers.
type LossError struct{ Containers []string }

func (e *LossError) Error() string {
	return "stopping the engine deletes containers that run with --rm, and their anonymous volumes: " +
		strings.Join(e.Containers, ", ")
}
