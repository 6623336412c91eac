package main

import (
	"errors"

	"davit/engine/service"
	"davit/engine/systemd"
)

// errNoSystemd means that nobody here can be told to start or stop the engine.
var errNoSystemd = errors.New("systemd does not run this host")

// downError ends a status of an engine that does not run or does not answer; the status has been shown.
type downError struct{ status service.Status }

func (e downError) Error() string {
	if e.status.State == "active" {
		return e.status.Unit + " runs, and the engine does not answer"
	}
	return e.status.Unit + " does not run: " + stateText(e.status.State, e.status.Sub, e.status.Result)
}

func (e downError) hint() string {
	switch {
	case e.status.ConfigError != "" || len(e.status.Conflicts) > 0:
		return "put its configuration right first: " + e.status.ConfigFile
	case e.status.State == "inactive" || e.status.State == "failed":
		return "davit engine start starts it"
	}
	return ""
}

// lossError is a stop that was refused because of what it would delete, or might.
type lossError struct{ err error }

func (e lossError) Error() string {
	var loss *service.LossError
	if errors.As(e.err, &loss) {
		return loss.Error()
	}
	return "cannot tell whether stopping the engine deletes containers that run with --rm: " + e.err.Error()
}

func (e lossError) Unwrap() error { return e.err }

// explainService knows the errors of the engine's service.
func explainService(err error, f *failure) bool {
	var down downError
	var missing *service.NotFoundError
	var masked *service.MaskedError
	var failed *service.FailedError
	var slow *service.SlowError
	var config *service.ConfigError
	switch {
	case errors.Is(err, errNoSystemd):
		f.hint = "davit migrate needs systemd; davit engine works with OpenRC and init scripts, too, where they run the host"
	case errors.As(err, &down):
		f.hint, f.code = down.hint(), exitUnreachable
	case errors.As(err, &lossError{}):
		f.hint, f.code = "stop those containers yourself, or give --allow-rm-loss", exitFailed
	case errors.As(err, &missing):
		f.hint = "is Docker installed as a service? --unit names another unit, --user means the engine of the user"
	case errors.As(err, &masked):
		f.hint = "systemctl unmask " + ifThen(masked.Runtime, "--runtime ") + masked.Unit + " lifts that"
	case errors.As(err, &failed):
		f.hint = "davit engine status shows more of the journal" + ifThen(failed.Retries, "; systemd tries again by itself")
	case errors.As(err, &slow):
		f.hint = "davit engine status tells how far it is; --timeout waits longer"
	case errors.As(err, &config):
		f.hint = "nothing was stopped; put it right first, or give --no-check"
	case errors.Is(err, systemd.ErrNotPermitted):
		f.hint = "run it as root"
	default:
		return false
	}
	return true
}
