package service

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"davit/engine/systemd"
)

// Manager is what starts and stops services: [systemd.Conn], or [davit/engine/initscript.Manager].
type Manager interface {
	Unit(ctx context.Context, name string) (systemd.Unit, error)
	Begin(ctx context.Context, verb systemd.Verb, unit string) (wait func(context.Context) error, err error)
	ResetFailed(ctx context.Context, unit string) error
	Enable(ctx context.Context, units ...string) error
	Disable(ctx context.Context, units ...string) error
	Journal(ctx context.Context, since time.Time, n int, units ...string) ([]systemd.Line, error)
}

// Usual is what an engine uses that nobody told otherwise. It differs for an engine of a user.
type Usual struct {
	ConfigFile string
	DataRoot   string
	Socket     string // path
}

// Service is the engine's service on this host. Its methods are for one goroutine at a time.
type Service struct {
	manager Manager
	name    string
	usual   Usual
	now     func() time.Time
}

// Names are the units of systemd that run an engine, in the order in which they are looked for.
func Names() []string { return []string{"docker.service", "snap.docker.dockerd.service"} }

// UnitName is the name of a service unit whose suffix may have been left out.
func UnitName(name string) string {
	if filepath.Ext(name) == "" {
		name += ".service"
	}
	return name
}

// Find takes the first of the named units that exists; its error is a [*NotFoundError].
func Find(ctx context.Context, m Manager, u Usual, now func() time.Time, names ...string) (*Service, error) {
	for _, name := range names {
		unit, err := m.Unit(ctx, name)
		if err != nil {
			return nil, err
		}
		if unit.Exists() {
			return &Service{manager: m, name: name, usual: u, now: now}, nil
		}
	}
	return nil, &NotFoundError{Names: names}
}

// Name is the service unit.
func (s *Service) Name() string { return s.name }

// units looks at the service and its sockets.
func (s *Service) units(ctx context.Context) (service systemd.Unit, sockets []systemd.Unit, err error) {
	if service, err = s.manager.Unit(ctx, s.name); err != nil {
		return service, nil, err
	}
	names := slices.Clone(service.TriggeredBy)
	// A service that is masked has lost what its unit file said.
	if usual := strings.TrimSuffix(s.name, ".service") + ".socket"; service.Masked() && !slices.Contains(names, usual) {
		names = append(names, usual)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".socket") {
			continue
		}
		socket, err := s.manager.Unit(ctx, name)
		if err != nil {
			return service, nil, err
		}
		if socket.Exists() {
			sockets = append(sockets, socket)
		}
	}
	return service, sockets, nil
}

// startable says what stands in the way of a start.
func startable(units ...systemd.Unit) error {
	for _, u := range units {
		switch {
		case u.Masked():
			return &MaskedError{Unit: u.Name, Runtime: u.File == "masked-runtime"}
		case u.Load != "loaded":
			return fmt.Errorf("start %s: its unit file cannot be used: %s", u.Name, u.LoadError)
		}
	}
	return nil
}
