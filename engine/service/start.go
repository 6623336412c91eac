package service

import (
	"context"
	"errors"
	"time"

	"davit/engine/systemd"
)

// Change is what a request did.
type Change struct {
	Units []string // that were started, stopped, enabled, …, in that order
	Unit  systemd.Unit

	verb  systemd.Verb // of a start or restart
	begin time.Time
}

// Start starts the service, with the sockets that are enabled or that it needs, and returns
// when the engine says that it is ready. Past failures are forgotten first, as they would
// forbid it. Its errors are [*MaskedError], [*FailedError] and, when ctx is over, [*SlowError].
func (s *Service) Start(ctx context.Context) (Change, error) {
	service, sockets, err := s.units(ctx)
	if err != nil {
		return Change{}, err
	}
	if service.Active == "active" && allListen(sockets) {
		return Change{Unit: service}, nil
	}
	if err := startable(append(sockets, service)...); err != nil {
		return Change{}, err
	}
	begin := s.now()
	var done []string
	for _, u := range append(sockets, service) {
		if err := s.manager.ResetFailed(ctx, u.Name); err != nil {
			return Change{}, err
		}
	}
	for _, u := range sockets {
		if u.Active == "active" || u.File != "enabled" {
			continue
		}
		if err := s.do(ctx, systemd.Start, u.Name, begin); err != nil {
			return Change{Units: done}, err
		}
		done = append(done, u.Name)
	}
	if service.Active != "active" {
		if err := s.do(ctx, systemd.Start, s.name, begin); err != nil {
			return Change{Units: done}, err
		}
		done = append(done, s.name)
	}
	return s.running(ctx, systemd.Start, done, begin)
}

// allListen tells whether no socket is left to arm.
func allListen(sockets []systemd.Unit) bool {
	for _, u := range sockets {
		if u.Active != "active" && u.File == "enabled" {
			return false
		}
	}
	return true
}

// Restart stops the service and starts it again; the sockets stay armed, so that calls wait
// meanwhile. A service that does not run is started.
func (s *Service) Restart(ctx context.Context) (Change, error) {
	service, sockets, err := s.units(ctx)
	if err != nil {
		return Change{}, err
	}
	if !service.Up() {
		return s.Start(ctx)
	}
	if err := startable(append(sockets, service)...); err != nil {
		return Change{}, err
	}
	begin := s.now()
	if err := s.manager.ResetFailed(ctx, s.name); err != nil {
		return Change{}, err
	}
	if err := s.do(ctx, systemd.Restart, s.name, begin); err != nil {
		return Change{}, err
	}
	return s.running(ctx, systemd.Restart, []string{s.name}, begin)
}

// Reload has the engine read its file anew; it takes up some of the settings only.
func (s *Service) Reload(ctx context.Context) (Change, error) {
	service, err := s.manager.Unit(ctx, s.name)
	if err != nil {
		return Change{}, err
	}
	if service.Active != "active" && service.Active != "reloading" {
		return Change{}, &NotRunningError{Unit: s.name}
	}
	begin := s.now()
	if err := s.do(ctx, systemd.Reload, s.name, begin); err != nil {
		return Change{}, err
	}
	return s.running(ctx, systemd.Reload, []string{s.name}, begin)
}

// running looks once more after a job that went well: a unit that does not say itself when
// it is ready counts as started before it has begun to work.
func (s *Service) running(ctx context.Context, verb systemd.Verb, done []string, begin time.Time) (Change, error) {
	service, err := s.manager.Unit(ctx, s.name)
	if err != nil {
		return Change{Units: done}, err
	}
	c := Change{Units: done, Unit: service, verb: verb, begin: begin}
	if service.Active != "active" && service.Active != "reloading" {
		return c, s.failed(ctx, verb, s.name, begin, errors.New("it ended at once"))
	}
	return c, nil
}

// do carries out one job and finds out why it did not succeed.
func (s *Service) do(ctx context.Context, verb systemd.Verb, unit string, begin time.Time) error {
	wait, err := s.manager.Begin(ctx, verb, unit)
	if err == nil {
		err = wait(ctx)
	}
	return s.outcome(ctx, verb, unit, begin, err)
}

func (s *Service) outcome(ctx context.Context, verb systemd.Verb, unit string, begin time.Time, err error) error {
	var job *systemd.JobError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &SlowError{Verb: verb, Unit: unit}
	case errors.As(err, &job):
		return s.failed(ctx, verb, unit, begin, job)
	}
	return err
}
