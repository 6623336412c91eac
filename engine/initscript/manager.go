package initscript

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/systemd"
)

// Manager runs the scripts of a host. It is for one goroutine at a time.
type Manager struct {
	root   string
	openrc bool
	logEnd int64 // how long the log was when the last job began
}

// Find returns the manager of the host below root, which is "/" but in tests; ok is false when something else runs the
// host. OpenRC keeps its state in /run/openrc, System V's init listens at /run/initctl; the first process of WSL is
// called init and starts nothing by itself, but its users do, by service(8).
func Find(root string) (m *Manager, ok bool) {
	there := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	comm, _ := os.ReadFile(filepath.Join(root, "proc/1/comm")) // where it cannot be read it is not init
	m = &Manager{root: root, openrc: there("run/openrc")}
	return m, there("etc/init.d") && (m.openrc || there("run/initctl") || strings.TrimSpace(string(comm)) == "init")
}

// Unit asks for a service by the name of its script. One that has none is no error: see [systemd.Unit.Exists].
func (m *Manager) Unit(ctx context.Context, name string) (systemd.Unit, error) {
	u := systemd.Unit{Name: name, Load: "not-found", Active: "inactive", Sub: "dead"}
	script := m.script(name)
	info, err := os.Stat(script)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular():
		return u, nil
	case err != nil:
		return u, fmt.Errorf("look at the script of %s: %w", name, err)
	}
	u.Load, u.Fragment = "loaded", script
	if u.Active, u.Sub, err = m.state(ctx, name); err != nil {
		return u, err
	}
	if u.File, err = m.atBoot(name); err != nil {
		return u, err
	}
	if u.Up() {
		u.MainPID, u.Since = m.process(name)
	}
	return u, nil
}

func (m *Manager) script(name string) string { return filepath.Join(m.root, "etc/init.d", name) }

// state asks the script. Its exit codes are those of the Linux Standard Base (Core 5.0, 22.2), or of OpenRC's rc-service
// (src/librc/rc.h: RC_SERVICE_STARTED and the others, of which 0 is started).
func (m *Manager) state(ctx context.Context, name string) (active, sub string, err error) {
	said, code, err := m.run(ctx, name, "status")
	if err != nil {
		return "", "", err
	}
	switch {
	case code == 0:
		return "active", "running", nil
	case code == 3 || m.openrc && code == 16:
		return "inactive", "dead", nil
	case m.openrc && code == 4:
		return "deactivating", "stop", nil
	case m.openrc && code == 8:
		return "activating", "start", nil
	case m.openrc && code == 32 || code == 1 || code == 2:
		return "failed", "dead", nil
	}
	return "", "", fmt.Errorf("ask for the state of %s: exit code %d%s", name, code, withColon(said))
}

func withColon(said string) string {
	if said == "" {
		return ""
	}
	return ": " + said
}

// ResetFailed has nothing to forget: nobody counts the starts.
func (m *Manager) ResetFailed(context.Context, string) error { return nil }
