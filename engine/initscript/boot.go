package initscript

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"davit/engine/systemd"
)

// links are what has a service start at boot: in a runlevel of OpenRC, or in one of those of System V in which a host
// serves.
func (m *Manager) links(name string) ([]string, error) {
	pattern := "etc/rc[2345].d/S[0-9][0-9]" + name
	if m.openrc {
		pattern = "etc/runlevels/*/" + name
	}
	links, err := filepath.Glob(filepath.Join(m.root, pattern))
	if err != nil {
		return nil, fmt.Errorf("look for %s among what is started at boot: %w", name, err)
	}
	return links, nil
}

// atBoot is what systemd calls the state of a unit file.
func (m *Manager) atBoot(name string) (string, error) {
	links, err := m.links(name)
	if err != nil || len(links) > 0 {
		return "enabled", err
	}
	return "disabled", nil
}

// Enable has services start at boot.
func (m *Manager) Enable(ctx context.Context, units ...string) error {
	for _, u := range units {
		if m.openrc {
			if err := order(ctx, "enable", u, "rc-update", "add", u, "default"); err != nil {
				return err
			}
			continue
		}
		// Links that were never made, or were made and disabled.
		if err := order(ctx, "enable", u, "update-rc.d", u, "defaults"); err != nil {
			return err
		}
		if err := order(ctx, "enable", u, "update-rc.d", u, "enable"); err != nil {
			return err
		}
	}
	return nil
}

// Disable has services not start at boot.
func (m *Manager) Disable(ctx context.Context, units ...string) error {
	for _, u := range units {
		if !m.openrc {
			if err := order(ctx, "disable", u, "update-rc.d", u, "disable"); err != nil {
				return err
			}
			continue
		}
		links, err := m.links(u)
		if err != nil {
			return err
		}
		for _, link := range links {
			if err := order(ctx, "disable", u, "rc-update", "del", u, filepath.Base(filepath.Dir(link))); err != nil {
				return err
			}
		}
	}
	return nil
}

// order runs a tool of the host.
func order(ctx context.Context, verb, unit string, args ...string) error {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err == nil {
		return nil
	}
	if strings.Contains(strings.ToLower(string(out)), "permission denied") {
		err = systemd.ErrNotPermitted
	}
	return fmt.Errorf("%s %s: %s: %w%s", verb, unit, args[0], err, withColon(lastLine(string(out))))
}
