package migrate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/hostfs"
)

// Subcommand is what a worker, and the units that look after one, run davit with.
const Subcommand = "__migrate"

// bootUnit sets things right after a reboot in the middle of a migration.
const bootUnit = "davit-migrate-recover.service"

func bootUnitContent(exe, stateDir string, after []string) string {
	return "[Unit]\n" +
		"Description=davit: undo or finish the migration that a reboot interrupted\n" +
		"After=" + strings.Join(after, " ") + "\n" +
		"ConditionPathExists=" + quoteUnit(journalPath(stateDir)) + "\n\n" +
		"[Service]\nType=oneshot\n" +
		"ExecStart=" + quoteUnit(exe) + " --state-dir " + quoteUnit(stateDir) + " " + Subcommand + " recover\n\n" +
		"[Install]\nWantedBy=multi-user.target\n"
}

// installBootUnit has the unit started at boot; it is on disk when this returns.
func installBootUnit(ctx context.Context, m Manager, exe, stateDir string, after []string) error {
	if err := m.WriteUnit(ctx, bootUnit, bootUnitContent(exe, stateDir, after)); err != nil {
		return err
	}
	if err := m.Enable(ctx, bootUnit); err != nil {
		return err
	}
	wants := filepath.Join("/etc/systemd/system", "multi-user.target.wants")
	if _, err := os.Stat(wants); err != nil {
		return nil // this manager keeps them elsewhere
	}
	if err := hostfs.SyncDir(wants); err != nil {
		return fmt.Errorf("install %s: %w", bootUnit, err)
	}
	return nil
}

// removeUnit disables and removes a unit that was installed. What it mounts or runs goes on.
func removeUnit(ctx context.Context, m Manager, name string) error {
	u, err := m.Unit(ctx, name)
	if err != nil {
		return err
	}
	if u.Exists() && u.File == "enabled" {
		if err := m.Disable(ctx, name); err != nil {
			return err
		}
	}
	return m.RemoveUnit(ctx, name)
}
