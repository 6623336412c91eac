package migrate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"davit/engine/daemonjson"
	"davit/engine/hostfs"
	"davit/migrate/preflight"
)

// Names of the drop-ins. The one with the command comes after all others of the operator's.
const (
	dropInMounts = "50-davit-mounts.conf"
	dropInRoot   = "zz-davit-data-root.conf"
)

// Config is how the stores' places are written down, for the new roots and as it was before.
type Config struct {
	Mounts  []preflight.MountUnit `json:"mounts,omitempty"` // units that mount the new roots at boot
	DropIns []DropIn              `json:"drop_ins"`
	File    *Edit                 `json:"file,omitempty"` // daemon.json, when that says where the data-root is
}

// DropIn is one drop-in of a unit.
type DropIn struct {
	Unit    string `json:"unit"`
	Name    string `json:"name"`
	Content string `json:"content"`
}

// Edit is a change of daemon.json.
type Edit struct {
	Path   string `json:"path"`
	Before []byte `json:"before"` // null: there was no file
	After  []byte `json:"after"`
	Sets   []Set  `json:"sets"`
}

// Set is one setting of an edit; nil stands for none.
type Set struct {
	Keys   []string        `json:"keys"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// newConfig works out what has to be written for the new roots.
func newConfig(p *Plan) (*Config, error) {
	c := &Config{}
	if p.Options.WriteMountUnit {
		for _, d := range p.Survey.Destinations {
			if d.Mount != nil && !slices.Contains(c.Mounts, *d.Mount) {
				c.Mounts = append(c.Mounts, *d.Mount)
			}
		}
	}
	e := p.Survey.Engine
	for _, s := range p.Survey.Stores {
		unit, flag := e.Unit, "--data-root"
		if s.Name == preflight.StoreContainerd {
			unit, flag = e.ContainerdUnit, "--root"
		}
		c.DropIns = append(c.DropIns, DropIn{Unit: unit, Name: dropInMounts, Content: mountsContent(s.To)})
		switch s.Configure.Kind {
		case preflight.ByDefault, preflight.ByFile:
			if s.Name == preflight.StoreDataRoot {
				continue
			}
		case preflight.ByFlag, preflight.ByVariable, preflight.ByContainerd:
		default:
			return nil, fmt.Errorf("change where %s is: no unit and no file says so (%s)", s.From, s.Configure.Kind)
		}
		if len(s.Configure.Exec) == 0 {
			return nil, fmt.Errorf("change where %s is: %s has no command to add %s to", s.From, unit, flag)
		}
		c.DropIns = append(c.DropIns, DropIn{Unit: unit, Name: dropInRoot, Content: commandContent(s.Configure.Exec, flag, s.To)})
	}
	// What the engine needs most comes last: until then it starts where it did.
	slices.SortStableFunc(c.DropIns, func(a, b DropIn) int { return cmp.Compare(a.Name, b.Name) })
	var err error
	if s, ok := p.store(preflight.StoreDataRoot); ok {
		c.File, err = newEdit(p, s)
	}
	return c, err
}

func mountsContent(path string) string {
	return "# davit moved the engine's data to this folder; the unit waits for what is mounted there.\n" +
		"[Unit]\nRequiresMountsFor=" + quoteUnit(path) + "\n"
}

// commandContent is a drop-in with a unit's command and one more flag: of a flag that is given twice, the last counts.
func commandContent(exec []string, flag, path string) string {
	var words []string
	for _, w := range append(slices.Clone(exec), flag, strings.ReplaceAll(path, "$", "$$")) {
		words = append(words, quoteUnit(w))
	}
	return "# davit moved the data to another folder.\n[Service]\nExecStart=\nExecStart=" + strings.Join(words, " ") + "\n"
}

// quoteUnit writes a word as unit files have it. Variables stay variables.
func quoteUnit(word string) string {
	word = strings.ReplaceAll(word, "%", "%%")
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\;") {
		return word
	}
	return strconv.Quote(word)
}

// newEdit is the change of daemon.json: the place of the data-root, unless flags say it, and what the engine might
// otherwise choose anew on another file system.
func newEdit(p *Plan, s preflight.Store) (*Edit, error) {
	e := p.Survey.Engine
	file, err := daemonjson.Load(e.ConfigFile)
	if err != nil {
		return nil, err
	}
	edit := &Edit{Path: e.ConfigFile, Before: file.Original()}
	flags := daemonjson.Flags(s.Configure.Args)
	want := map[string]any{}
	if s.Configure.Kind == preflight.ByDefault || s.Configure.Kind == preflight.ByFile {
		want["data-root"] = s.To
		if _, ok := file.Get("graph"); ok {
			want["graph"] = nil
		}
	}
	if _, ok := daemonjson.Value(flags, "storage-driver"); !ok && os.Getenv("DOCKER_DRIVER") == "" {
		want["storage-driver"] = e.Driver
	}
	if _, ok := daemonjson.Value(flags, "feature"); !ok && knowsStores(e.Version) {
		want["features.containerd-snapshotter"] = e.ContainerdStore
	}
	for _, key := range []string{"storage-driver", "features.containerd-snapshotter", "graph", "data-root"} {
		value, ok := want[key]
		if !ok {
			continue
		}
		if err := edit.set(file, strings.Split(key, "."), value); err != nil {
			return nil, err
		}
	}
	edit.After = file.Bytes()
	if len(edit.Sets) == 0 {
		return nil, nil
	}
	return edit, nil
}

// knowsStores tells whether an engine has a choice between graph drivers and containerd's store.
func knowsStores(version string) bool {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 24
}

func (e *Edit) set(file *daemonjson.File, keys []string, value any) error {
	before, _ := file.Get(keys...)
	s := Set{Keys: keys, Before: slices.Clone(before)}
	if value == nil {
		file.Remove(keys...)
	} else {
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if bytes.Equal(bytes.TrimSpace(before), raw) {
			return nil
		}
		if err := file.Set(value, keys...); err != nil {
			return err
		}
		s.After = raw
	}
	e.Sets = append(e.Sets, s)
	return nil
}

// apply writes everything, what the engine goes by last.
func (c *Config) apply(ctx context.Context, m Manager) error {
	for _, u := range c.Mounts {
		if err := m.WriteUnit(ctx, u.Name, u.Content); err != nil {
			return err
		}
		if err := m.Enable(ctx, u.Name); err != nil {
			return err
		}
	}
	for _, d := range c.DropIns {
		if err := m.WriteDropIn(ctx, d.Unit, d.Name, d.Content); err != nil {
			return err
		}
	}
	if c.File == nil {
		return nil
	}
	return c.File.apply()
}

// check makes sure that the units would start with what was written: another drop-in may come after ours.
func (c *Config) check(ctx context.Context, m Manager) error {
	for _, d := range c.DropIns {
		if d.Name != dropInRoot {
			continue
		}
		u, err := m.Unit(ctx, d.Unit)
		if err != nil {
			return err
		}
		_, want, _ := strings.Cut(d.Content, "ExecStart=\nExecStart=")
		if len(u.Exec) == 0 || commandOf(u.Exec[len(u.Exec)-1]) != want {
			return fmt.Errorf("change the command of %s: another drop-in of it stands above ours", d.Unit)
		}
	}
	return nil
}

func commandOf(exec []string) string {
	var words []string
	for _, w := range exec {
		words = append(words, quoteUnit(w))
	}
	return strings.Join(words, " ") + "\n"
}

func (e *Edit) apply() error {
	file, err := daemonjson.Load(e.Path)
	if err != nil {
		return err
	}
	if !bytes.Equal(file.Original(), e.Before) {
		if bytes.Equal(file.Original(), e.After) {
			return nil
		}
		return fmt.Errorf("write %s: %w", e.Path, daemonjson.ErrChanged)
	}
	for _, s := range e.Sets {
		if s.After == nil {
			file.Remove(s.Keys...)
		} else if err := file.Set(s.After, s.Keys...); err != nil {
			return err
		}
	}
	return file.Save()
}

// undo writes everything as it was. What somebody else has changed since stays.
func (c *Config) undo(ctx context.Context, m Manager) error {
	if c.File != nil {
		if err := c.File.undo(); err != nil {
			return err
		}
	}
	for _, d := range slices.Backward(c.DropIns) {
		if err := m.RemoveDropIn(ctx, d.Unit, d.Name); err != nil {
			return err
		}
	}
	for _, u := range c.Mounts {
		if err := removeUnit(ctx, m, u.Name); err != nil {
			return err
		}
	}
	return nil
}

func (e *Edit) undo() error {
	target, err := filepath.EvalSymlinks(e.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // whoever removed it removed our settings as well
	}
	if err != nil {
		return fmt.Errorf("put %s back: %w", e.Path, err)
	}
	now, err := os.ReadFile(target)
	if err != nil {
		return fmt.Errorf("put %s back: %w", e.Path, err)
	}
	switch {
	case bytes.Equal(now, e.Before):
		return nil
	case !bytes.Equal(now, e.After):
		return e.undoSettings()
	case e.Before == nil:
		if err := os.Remove(target); err != nil {
			return fmt.Errorf("put %s back: %w", e.Path, err)
		}
		return hostfs.SyncDir(filepath.Dir(target))
	}
	return writeLike(target, e.Before)
}

// undoSettings takes back single settings.
func (e *Edit) undoSettings() error {
	file, err := daemonjson.Load(e.Path)
	if err != nil {
		return err
	}
	for _, s := range e.Sets {
		if s.Before == nil {
			file.Remove(s.Keys...)
		} else if err := file.Set(s.Before, s.Keys...); err != nil {
			return err
		}
	}
	return file.Save()
}

// writeLike replaces the content of a file and nothing else of it.
func writeLike(path string, data []byte) error {
	a, err := hostfs.Create(path, 0o600)
	if err != nil {
		return err
	}
	defer a.Abort()
	if err := a.Like(path); err != nil {
		return err
	}
	if _, err := a.Write(data); err != nil {
		return err
	}
	return a.Commit()
}
