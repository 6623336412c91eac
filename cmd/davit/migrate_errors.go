package main

import (
	"errors"

	"davit/migrate"
)

// errNeedsRoot means that only root may do it.
var errNeedsRoot = errors.New("needs root")

// explainMigrate knows the errors of moves.
func explainMigrate(err error, f *failure) bool {
	var refused *migrate.RefusedError
	var unfinished *migrate.UnfinishedError
	var partial *migrate.PartialError
	var busy *migrate.InUseError
	var notMoved notMovedError
	switch {
	case errors.As(err, &refused):
		f.hint = "each refusal above names its way out"
	case errors.Is(err, migrate.ErrBusy):
		f.hint, f.code = "davit migrate status follows it", exitLocked
	case errors.Is(err, migrate.ErrNone):
		f.hint = "davit migrate run begins one"
	case errors.As(err, &unfinished):
		f.hint = nextStep(unfinished.State, false)
	case errors.As(err, &partial):
		f.code = exitPartial
	case errors.As(err, &busy):
		f.hint = "nothing was changed; end what uses it first"
	case errors.As(err, &notMoved):
		f.hint = nextStep(notMoved.state, false)
		if notMoved.state.FailedIn(migrate.StepVerify) {
			f.code = exitDamaged
		}
	case errors.As(err, &leftError{}):
		f.hint = "davit recover tries again"
	case errors.As(err, &detachedError{}):
		f.hint, f.code = "davit migrate status attaches again; davit migrate rollback stops and undoes it", exitInterrupted
	case errors.As(err, &writesError{}):
		f.hint = "--sync-back takes them along, --lose-writes gives them up"
	case errors.Is(err, errNeedsRoot):
		f.hint = "run it as root"
	default:
		return false
	}
	return true
}
