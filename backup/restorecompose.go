package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// composePlace is where a compose file goes: rel below root.
type composePlace struct{ root, rel string }

func (p composePlace) path() string { return filepath.Join(p.root, p.rel) }

// addComposeFiles adds the compose and .env files of projects, below --compose-files or where they were. Only such names,
// and only below the folder of their project: a snapshot could name any path.
func (b *restoreBuilder) addComposeFiles(ctx context.Context, items []repo.Item) error {
	files := 0
	wanted := b.options.ComposeFiles != "" || b.options.ComposeInPlace
	var projects map[string]string
	taken := map[string]repo.Item{}
	for _, it := range items {
		path, ok := strings.CutPrefix(it.Name, filePrefix)
		if it.Kind != KindDefinition || !ok {
			continue
		}
		if files++; !wanted {
			continue
		}
		if projects == nil {
			var err error
			if projects, err = b.composeProjects(ctx); err != nil {
				return err
			}
		}
		place, ok := b.composePlace(path, projects)
		if !ok {
			b.note("%s lies outside the folder of its project: --to DIR writes it", path)
			continue
		}
		if other, ok := taken[place.path()]; ok {
			b.refuse(it, fmt.Sprintf("would be %s, as %s is", place.path(), FormatItem(other.Kind, other.Name)), "restore one of them with --only")
			continue
		}
		taken[place.path()] = it
		if err := b.addComposeFile(ctx, it, place); err != nil {
			return err
		}
	}
	if files > 0 && !wanted && b.options.Containers {
		b.note("%d compose and .env %s in the snapshot: --compose-files DIR writes them", files, plural(files, "file is", "files are"))
	}
	return nil
}

// composeProjects are the names of the snapshot's compose projects by their folders.
func (b *restoreBuilder) composeProjects(ctx context.Context) (map[string]string, error) {
	projects := map[string]string{}
	for _, it := range b.snapshot.Items {
		if it.Kind != KindContainer {
			continue
		}
		raw, _, err := readDefinition(ctx, b.env.Repo, it.Desc)
		if err != nil {
			return nil, fmt.Errorf("read definition of container %s: %w", it.Name, err)
		}
		var doc struct {
			Config struct{ Labels map[string]string }
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("read definition of container %s: %w", it.Name, err)
		}
		name, dir := doc.Config.Labels[composePrefix+"project"], doc.Config.Labels[composePrefix+"project.working_dir"]
		if name != "" && filepath.IsAbs(dir) {
			projects[filepath.Clean(dir)] = name
		}
	}
	return projects, nil
}

// composePlace says where the file that was at path goes: the innermost project folder counts.
func (b *restoreBuilder) composePlace(path string, projects map[string]string) (composePlace, bool) {
	dir := ""
	for d := range projects {
		if below(d, path) && len(d) > len(dir) {
			dir = d
		}
	}
	rel := strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
	if dir == "" || filepath.Clean(path) != path || !composeName(path) || !filepath.IsLocal(rel) {
		return composePlace{}, false
	}
	if b.options.ComposeInPlace {
		return composePlace{dir, rel}, true
	}
	return composePlace{b.options.ComposeFiles, filepath.Join(fileName(projects[dir]), rel)}, true
}

func (b *restoreBuilder) addComposeFile(ctx context.Context, it repo.Item, place composePlace) error {
	step := RestoreStep{
		Action: ActionWriteCompose, Kind: it.Kind, Name: it.Name, Target: place.path(), item: it, root: place.root,
		Bytes: annotatedNumber(it, annBytes, 0),
	}
	there, _, err := hostfs.ReadBeneath(place.root, place.rel, maxComposeFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.room.AddBytes(place.path(), step.Bytes, 1)
	case err != nil:
		b.refuse(it, place.path()+": "+err.Error(), "move it away, or name another folder")
		return nil
	default:
		data, _, err := readDefinition(ctx, b.env.Repo, it.Desc)
		if err != nil {
			return err
		}
		if !bytes.Equal(there, data) {
			b.refuse(it, place.path()+" exists with other content", "move it away, or name another folder")
			return nil
		}
		step = keepStep(it, place.path(), "there already")
	}
	b.plan.Steps = append(b.plan.Steps, step)
	return nil
}

// writeComposeFile writes a compose file where there is none. At its old place it gets its old permissions and owner;
// elsewhere only its new owner may read it.
func (r *restoreRun) writeComposeFile(ctx context.Context, step *RestoreStep) (err error) {
	data, _, err := readDefinition(ctx, r.env.Repo, step.item.Desc)
	if err != nil {
		return err
	}
	perm, folders, uid, gid := fs.FileMode(0o600), fs.FileMode(0o700), os.Geteuid(), os.Getegid()
	if r.plan.Options.ComposeInPlace {
		perm = fs.FileMode(annotatedNumber(step.item, annMode, int64(perm))) & fs.ModePerm
		uid = int(annotatedNumber(step.item, annUID, int64(uid)))
		gid = int(annotatedNumber(step.item, annGID, int64(gid)))
		folders = 0o755
	}
	if err := os.MkdirAll(step.root, folders); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	root, err := os.OpenRoot(step.root)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer closing(root, &err)
	rel, err := filepath.Rel(step.root, step.Target)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(rel), folders); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	tmp := filepath.Join(filepath.Dir(rel), ".davit-"+r.journal.record.ID)
	if err := writeNew(root, tmp, data, perm, uid, gid); err != nil {
		return err
	}
	err = root.Link(tmp, rel)
	if errors.Is(err, fs.ErrExist) {
		// The folder it lies in may have been restored since the plan was made.
		if there, _, readErr := hostfs.ReadBeneath(step.root, rel, maxComposeFile); readErr == nil && bytes.Equal(there, data) {
			err = nil
		}
	}
	return errors.Join(err, root.Remove(tmp), hostfs.SyncDir(filepath.Dir(step.Target)))
}

// writeNew writes a file that does not exist yet and waits until it is on disk. One that failed is removed again.
func writeNew(root *os.Root, name string, data []byte, perm fs.FileMode, uid, gid int) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if uid != os.Geteuid() || gid != os.Getegid() {
		err = errors.Join(err, f.Chown(uid, gid))
	}
	err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
	if err != nil {
		err = errors.Join(err, root.Remove(name))
	}
	return err
}
