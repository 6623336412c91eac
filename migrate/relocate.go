package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/migrate/preflight"
)

// relocate changes the paths of a data-root that its containers' definitions have: those of volumes, logs and the
// files that the engine makes for each container. The engine writes them anew when a container starts, but before that it
// looks for a volume's folder at the old path, and does not start the container when that is gone. What people
// chose, bind mounts, stays. It can be repeated.
func relocate(root string, s preflight.Store, userns string) error {
	if s.Name != preflight.StoreDataRoot {
		return nil
	}
	m := mover{from: s.From, to: s.To}
	dirs := []string{root}
	if userns != "" {
		dirs = append(dirs, filepath.Join(root, userns))
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(escapeGlob(dir), "containers", "*", "config.v2.json"))
		if err != nil {
			return fmt.Errorf("change paths in %s: %w", dir, err)
		}
		for _, f := range files {
			if err := m.file(f); err != nil {
				return fmt.Errorf("change paths in %s: %w", f, err)
			}
		}
	}
	return nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// mover changes the beginning of paths.
type mover struct {
	from, to string
	changed  bool
}

func (m *mover) file(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m.changed = false
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	for _, key := range []string{"LogPath", "HostnamePath", "HostsPath", "ResolvConfPath"} {
		if err := m.text(doc, key); err != nil {
			return err
		}
	}
	if err := m.mounts(doc); err != nil {
		return err
	}
	if !m.changed {
		return nil
	}
	if data, err = json.Marshal(doc); err != nil {
		return err
	}
	return writeLike(path, data)
}

// mounts changes where volumes are.
func (m *mover) mounts(doc map[string]json.RawMessage) error {
	var points map[string]map[string]json.RawMessage
	if raw := doc["MountPoints"]; len(raw) == 0 || json.Unmarshal(raw, &points) != nil {
		return nil // older engines have none, or have them otherwise
	}
	for _, p := range points {
		var kind string
		if json.Unmarshal(p["Type"], &kind) != nil || kind != "volume" {
			continue
		}
		if err := m.text(p, "Source"); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(points)
	doc["MountPoints"] = raw
	return err
}

func (m *mover) text(doc map[string]json.RawMessage, key string) error {
	var path string
	if json.Unmarshal(doc[key], &path) != nil {
		return nil
	}
	rest, ok := strings.CutPrefix(path, m.from+"/")
	if !ok {
		return nil
	}
	raw, err := json.Marshal(m.to + "/" + rest)
	doc[key], m.changed = raw, true
	return err
}
