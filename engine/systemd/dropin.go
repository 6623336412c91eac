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

// DropIn is the path of a drop-in of a unit, where this manager looks for it.
func (c *Conn) DropIn(unit, name string) string {
	return filepath.Join(c.dropIns, unit+".d", name)
}

// WriteDropIn puts a drop-in (name ends in ".conf") in place, durably, and has the manager
// read it. It takes effect when the unit is started next.
func (c *Conn) WriteDropIn(ctx context.Context, unit, name, content string) error {
	path := c.DropIn(unit, name)
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := hostfs.WriteFile(path, []byte(content), 0o644); err != nil {
		return fmt.Errorf("write drop-in: %w", err)
	}
	return c.ReadFiles(ctx)
}

// makeFolder makes a folder and what is missing above it, durably.
func makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolder(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make folder of drop-ins: %w", err)
	}
	return hostfs.SyncDir(filepath.Dir(dir))
}

// RemoveDropIn removes a drop-in, and its folder if nothing else is in it, and has the
// manager read its files. One that is not there is no error.
func (c *Conn) RemoveDropIn(ctx context.Context, unit, name string) error {
	path := c.DropIn(unit, name)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove drop-in: %w", err)
	}
	if err := hostfs.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(path)) // refused unless it is empty
	return c.ReadFiles(ctx)
}
