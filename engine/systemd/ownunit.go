package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"davit/engine/hostfs"
)

// WriteUnit puts a unit file in place, durably, and has the manager read it.
func (c *Conn) WriteUnit(ctx context.Context, name, content string) error {
	path := filepath.Join(c.dropIns, name)
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := hostfs.WriteFile(path, []byte(content), 0o644); err != nil {
		return fmt.Errorf("write unit file: %w", err)
	}
	return c.ReadFiles(ctx)
}

// RemoveUnit removes a unit file that WriteUnit made; it must not be enabled any more. One that is not there is no
// error.
func (c *Conn) RemoveUnit(ctx context.Context, name string) error {
	path := filepath.Join(c.dropIns, name)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove unit file: %w", err)
	}
	if err := hostfs.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return c.ReadFiles(ctx)
}
