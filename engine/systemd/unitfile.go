package systemd

import (
	"context"
	"fmt"
	"strings"
)

// Enable has units started at boot. Units without an [Install] section have nothing to
// enable: an error, unless another one of them has.
func (c *Conn) Enable(ctx context.Context, units ...string) error {
	installs, _, err := c.bus.EnableUnitFilesContext(ctx, units, false, false)
	if err != nil {
		return fmt.Errorf("enable %s: %w", strings.Join(units, ", "), plain(err))
	}
	if !installs {
		return fmt.Errorf("enable %s: the unit file says nothing about when to start it", strings.Join(units, ", "))
	}
	return c.ReadFiles(ctx)
}

// Disable has units no longer started at boot.
func (c *Conn) Disable(ctx context.Context, units ...string) error {
	if _, err := c.bus.DisableUnitFilesContext(ctx, units, false); err != nil {
		return fmt.Errorf("disable %s: %w", strings.Join(units, ", "), plain(err))
	}
	return c.ReadFiles(ctx)
}

// MaskRuntime makes it impossible to start units until [Conn.UnmaskRuntime] or the next boot.
func (c *Conn) MaskRuntime(ctx context.Context, units ...string) error {
	if _, err := c.bus.MaskUnitFilesContext(ctx, units, true, false); err != nil {
		return fmt.Errorf("mask %s: %w", strings.Join(units, ", "), plain(err))
	}
	return c.ReadFiles(ctx)
}

// UnmaskRuntime undoes MaskRuntime. Masks that outlive a boot stay.
func (c *Conn) UnmaskRuntime(ctx context.Context, units ...string) error {
	if _, err := c.bus.UnmaskUnitFilesContext(ctx, units, true); err != nil {
		return fmt.Errorf("unmask %s: %w", strings.Join(units, ", "), plain(err))
	}
	return c.ReadFiles(ctx)
}

// ReadFiles has the manager read all unit files anew. What runs goes on.
func (c *Conn) ReadFiles(ctx context.Context) error {
	if err := c.bus.ReloadContext(ctx); err != nil {
		return fmt.Errorf("have systemd read its unit files: %w", plain(err))
	}
	return nil
}
