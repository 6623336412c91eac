package systemd

import (
	"context"
	"errors"
	"fmt"

	godbus "github.com/godbus/dbus/v5"
)

// Verb is what a job does to its unit.
type Verb string

// The verbs.
const (
	Start   Verb = "start"
	Stop    Verb = "stop"
	Restart Verb = "restart"
	Reload  Verb = "reload"
)

// JobError is a job that the manager accepted and that did not come to a good end.
type JobError struct {
	Verb   Verb
	Unit   string
	Result string // canceled, timeout, failed, dependency, skipped, …
}

func (e *JobError) Error() string {
	switch e.Result {
	case "dependency":
		return fmt.Sprintf("%s %s: a unit that it needs did not start", e.Verb, e.Unit)
	case "canceled":
		return fmt.Sprintf("%s %s: another request came between", e.Verb, e.Unit)
	case "timeout":
		return fmt.Sprintf("%s %s: it took longer than its unit allows", e.Verb, e.Unit)
	}
	return fmt.Sprintf("%s %s: %s", e.Verb, e.Unit, e.Result)
}

// Begin asks for a job, in the place of one that waits, and returns when the manager has
// accepted it. wait returns when the job has ended: nil, a [*JobError], or that ctx ended,
// while the job goes on. wait is called at most once.
func (c *Conn) Begin(ctx context.Context, verb Verb, unit string) (wait func(context.Context) error, err error) {
	do := map[Verb]func(context.Context, string, string, chan<- string) (int, error){
		Start: c.bus.StartUnitContext, Stop: c.bus.StopUnitContext,
		Restart: c.bus.RestartUnitContext, Reload: c.bus.ReloadUnitContext,
	}[verb]
	result := make(chan string, 1) // a result that nobody takes would hold up all others
	if _, err := do(ctx, unit, "replace", result); err != nil {
		return nil, fmt.Errorf("%s %s: %w", verb, unit, plain(err))
	}
	return func(ctx context.Context) error {
		select {
		case r := <-result:
			if r != "done" {
				return &JobError{Verb: verb, Unit: unit, Result: r}
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w", verb, unit, context.Cause(ctx))
		}
	}, nil
}

// ResetFailed forgets that a unit failed, and how often it was started: without it a unit
// that was restarted too often cannot be started although what ailed it is repaired.
func (c *Conn) ResetFailed(ctx context.Context, unit string) error {
	err := c.bus.ResetFailedUnitContext(ctx, unit)
	if err == nil || isError(err, "org.freedesktop.systemd1.NoSuchUnit") { // not loaded, so it has not failed
		return nil
	}
	return fmt.Errorf("reset %s: %w", unit, plain(err))
}

// ErrNotPermitted means that the manager does not take this order from this user.
var ErrNotPermitted = errors.New("not permitted")

// plain recognizes refusals, which come in the words of the bus, of polkit and of the manager.
func plain(err error) error {
	for _, name := range []string{
		"org.freedesktop.DBus.Error.AccessDenied",
		"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
		"org.freedesktop.PolicyKit1.Error.NotAuthorized",
	} {
		if isError(err, name) {
			return ErrNotPermitted
		}
	}
	return err
}

func isError(err error, name string) bool {
	var d godbus.Error
	return errors.As(err, &d) && d.Name == name
}
