//go:build linux

package hostfs

import "path/filepath"

// RemoveTree removes a folder with everything below it, also what chattr has made immutable, and removes its name
// durably. It does not go into what is mounted below: that is an error, and what lies beside it may be gone by then. One
// that is not there is removed.
func RemoveTree(path string) error {
	path = filepath.Clean(path)
	parent, err := OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	above, err := parent.OpenDir("")
	if err != nil {
		return err
	}
	defer above.Close()
	c := &copier{dst: parent, counts: &CopyCounts{}}
	if err := c.remove(above, "", filepath.Base(path)); err != nil {
		return err
	}
	return SyncDir(parent.path)
}
