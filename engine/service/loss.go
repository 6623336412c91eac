package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"davit/engine"
)

// Engine is what is asked before a stop.
type Engine interface {
	Info(ctx context.Context) (engine.Info, error)
	Containers(ctx context.Context) ([]engine.Container, error)
}

// CheckLoss calls [Loss] for the engine of this service, if it runs. One that does not
// answer cannot say what it would delete: an error as well.
func (s *Service) CheckLoss(ctx context.Context, connect func(ctx context.Context, endpoint string) (Engine, error)) error {
	service, sockets, err := s.units(ctx)
	if err != nil || service.Active != "active" && service.Active != "reloading" {
		return err
	}
	var st Status
	s.effective(&st, working(service), sockets)
	if st.Endpoint == "" {
		return errNoSocket
	}
	e, err := connect(ctx, st.Endpoint)
	if err != nil {
		return err
	}
	return Loss(ctx, e)
}

// errNoSocket means that the engine of a service cannot be called from here for certain.
var errNoSocket = errors.New("the engine listens on no unix socket")

// Loss finds the containers that a stop of the engine would delete: those that run with
// --rm, unless they go on without an engine. Its error is a [*LossError], or that nobody
// can tell.
func Loss(ctx context.Context, e Engine) error {
	info, err := e.Info(ctx)
	if err != nil {
		return fmt.Errorf("look for containers that a stop would delete: %w", err)
	}
	containers, err := e.Containers(ctx)
	if err != nil {
		return fmt.Errorf("look for containers that a stop would delete: %w", err)
	}
	var lost []string
	for _, c := range containers {
		if c.Running && c.AutoRemove && !info.LiveRestore {
			lost = append(lost, c.Name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	return &LossError{Containers: lost}
}
