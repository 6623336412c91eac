package service

import (
	"context"
	"fmt"

	"davit/engine/systemd"
)

// Stop stops the sockets and the service and returns when nothing of them runs any more.
// All are asked for before any is waited for: while the stop of a socket is pending it does
// not start the service, whoever calls. Units are in the order in which they were asked.
func (s *Service) Stop(ctx context.Context) (Change, error) {
	service, sockets, err := s.units(ctx)
	if err != nil {
		return Change{}, err
	}
	begin := s.now()
	var done []string
	var waits []func(context.Context) error
	for _, u := range append(sockets, service) {
		if !u.Up() {
			continue
		}
		wait, err := s.manager.Begin(ctx, systemd.Stop, u.Name)
		if err != nil {
			return Change{}, err
		}
		done, waits = append(done, u.Name), append(waits, wait)
	}
	for i, wait := range waits {
		if err := s.outcome(ctx, systemd.Stop, done[i], begin, wait(ctx)); err != nil {
			return Change{Units: done}, err
		}
	}
	return s.stopped(ctx, done)
}

// stopped makes sure that nobody has started anything in between.
func (s *Service) stopped(ctx context.Context, done []string) (Change, error) {
	service, sockets, err := s.units(ctx)
	if err != nil {
		return Change{Units: done}, err
	}
	for _, u := range append(sockets, service) {
		if u.Up() {
			return Change{Units: done}, fmt.Errorf("stop %s: something started it again", u.Name)
		}
	}
	return Change{Units: done, Unit: service}, nil
}

// Enable has the service and its sockets start at boot.
func (s *Service) Enable(ctx context.Context) (Change, error) {
	service, sockets, err := s.units(ctx)
	if err != nil {
		return Change{}, err
	}
	if err := startable(append(sockets, service)...); err != nil {
		return Change{}, err
	}
	names := s.named(append([]systemd.Unit{service}, sockets...), "disabled")
	if len(names) == 0 {
		return Change{Unit: service}, nil
	}
	if err := s.manager.Enable(ctx, names...); err != nil {
		return Change{}, err
	}
	return Change{Units: names, Unit: service}, nil
}

// Disable has neither the service nor its sockets start at boot: a socket that does would
// start the service at the first call.
func (s *Service) Disable(ctx context.Context) (Change, error) {
	service, sockets, err := s.units(ctx)
	if err != nil {
		return Change{}, err
	}
	names := s.named(append(sockets, service), "enabled", "enabled-runtime")
	if len(names) == 0 {
		return Change{Unit: service}, nil
	}
	if err := s.manager.Disable(ctx, names...); err != nil {
		return Change{}, err
	}
	return Change{Units: names, Unit: service}, nil
}

// named are the units whose unit file is in one of the states.
func (s *Service) named(units []systemd.Unit, states ...string) []string {
	var names []string
	for _, u := range units {
		for _, state := range states {
			if u.File == state {
				names = append(names, u.Name)
			}
		}
	}
	return names
}
