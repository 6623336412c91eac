package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"davit/engine/service"
	"davit/engine/systemd"
	"davit/migrate/preflight"
)

// Manager is the host's service manager; systemd.Conn is one.
type Manager interface {
	service.Manager
	MaskRuntime(ctx context.Context, units ...string) error
	UnmaskRuntime(ctx context.Context, units ...string) error
	WriteDropIn(ctx context.Context, unit, name, content string) error
	RemoveDropIn(ctx context.Context, unit, name string) error
	WriteUnit(ctx context.Context, name, content string) error
	RemoveUnit(ctx context.Context, name string) error
}

var _ Manager = (*systemd.Conn)(nil)

// startTime is how long an engine, or containerd, may take to start: it looks at all containers first.
const startTime = 10 * time.Minute

// services are the units that work on the stores that move, the engine's first.
type services struct {
	manager Manager
	all     []*service.Service
	runDir  string // whatever is in it is gone at the next boot
}

// findServices finds the engine's unit, and containerd's when its store moves.
func findServices(ctx context.Context, m Manager, p *Plan, runDir string, now func() time.Time) (*services, error) {
	units := []string{p.Survey.Engine.Unit}
	if _, ok := p.store(preflight.StoreContainerd); ok {
		units = append(units, p.Survey.Engine.ContainerdUnit)
	}
	s := &services{manager: m, runDir: runDir}
	for _, u := range units {
		one, err := service.Find(ctx, m, service.Usual{ConfigFile: p.Survey.Engine.ConfigFile}, now, u)
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, one)
	}
	return s, nil
}

// units lists the services with their sockets, in the order in which they are stopped.
func (s *services) units(ctx context.Context) ([]string, error) {
	var names []string
	for _, one := range s.all {
		u, err := s.manager.Unit(ctx, one.Name())
		if err != nil {
			return nil, err
		}
		names = append(append(names, u.TriggeredBy...), one.Name())
	}
	return names, nil
}

// stop stops them all.
func (s *services) stop(ctx context.Context) error {
	for _, one := range s.all {
		if _, err := one.Stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start starts them all, containerd before the engine.
func (s *services) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for _, one := range slices.Backward(s.all) {
		if _, err := one.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// dropInHold keeps units down whose files stand above a mask.
const dropInHold = "00-davit-hold.conf"

// mask makes it impossible to start the units until the next boot.
func (s *services) mask(ctx context.Context, units []string) error {
	if err := s.manager.MaskRuntime(ctx, units...); err != nil {
		return err
	}
	for _, name := range units {
		u, err := s.manager.Unit(ctx, name)
		if err != nil {
			return err
		}
		if !u.Masked() { // a unit file in /etc stands above the mask
			if err := s.assert(ctx, name); err != nil {
				return err
			}
		}
		if u.Up() {
			return fmt.Errorf("stop %s: something started it again", name)
		}
	}
	return nil
}

func (s *services) heldFile() string { return filepath.Join(s.runDir, "migrate-hold") }

// assert has a unit refuse to start while a file is there.
func (s *services) assert(ctx context.Context, unit string) error {
	if err := os.MkdirAll(s.runDir, 0o755); err != nil {
		return fmt.Errorf("keep %s down: %w", unit, err)
	}
	if err := os.WriteFile(s.heldFile(), nil, 0o644); err != nil {
		return fmt.Errorf("keep %s down: %w", unit, err)
	}
	return s.manager.WriteDropIn(ctx, unit, dropInHold, "[Unit]\nAssertPathExists="+quoteUnit("!"+s.heldFile())+"\n")
}

// unmask undoes mask.
func (s *services) unmask(ctx context.Context, units []string) error {
	if len(units) == 0 {
		return nil
	}
	if err := os.Remove(s.heldFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("let the engine start again: %w", err)
	}
	for _, u := range units {
		if err := s.manager.RemoveDropIn(ctx, u, dropInHold); err != nil {
			return err
		}
	}
	return s.manager.UnmaskRuntime(ctx, units...)
}

// up tells whether the engine's unit runs.
func (s *services) up(ctx context.Context) (bool, error) {
	u, err := s.manager.Unit(ctx, s.all[0].Name())
	return u.Up(), err
}

// checkConfig asks dockerd, where it can tell, whether it would take its configuration.
func (s *services) checkConfig(ctx context.Context) error {
	err := s.all[0].CheckConfig(ctx)
	var bad *service.ConfigError
	if errors.As(err, &bad) {
		return fmt.Errorf("the changed configuration is not accepted: %w", err)
	}
	return err
}
