package backup

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"davit/engine/hostfs"
)

// maxComposeFile bounds a compose or .env file that is saved as a definition.
const maxComposeFile = 1 << 20

// filePrefix begins the names of the items that hold files of compose projects.
const filePrefix = "file/"

// fileDefinition is the name of the item that holds a compose or .env file.
func fileDefinition(path string) string { return filePrefix + path }

// composeFile is a file that compose made a project from.
type composeFile struct {
	path string // absolute and clean
	root string // the folder below which it is opened: that of the project, or its own when it lies elsewhere
}

// composeName reports whether a file may be one of compose's by its name. A label can name any file.
func composeName(path string) bool {
	switch filepath.Ext(path) {
	case ".yml", ".yaml", ".env": // also of ".env"
		return true
	}
	return false
}

// composeFiles are the compose and .env files that the chosen containers were made from. Only their own labels count:
// an image could name any file.
func composeFiles(inv *inventory, c *chosen) []composeFile {
	var files []composeFile
	for _, ctr := range c.sortedContainers() {
		dir := inv.label(ctr, composePrefix+"project.working_dir")
		add := func(path string) {
			f := composeFile{path: filepath.Clean(path), root: filepath.Dir(filepath.Clean(path))}
			if filepath.IsAbs(dir) && below(filepath.Clean(dir), f.path) {
				f.root = filepath.Clean(dir)
			}
			files = append(files, f)
		}
		for _, label := range []string{"project.config_files", "project.environment_file"} {
			for path := range strings.SplitSeq(inv.label(ctr, composePrefix+label), ",") {
				if path == "" {
					continue
				}
				if !filepath.IsAbs(path) {
					path = filepath.Join(dir, path)
				}
				add(path)
			}
		}
		if filepath.IsAbs(dir) {
			add(filepath.Join(dir, ".env"))
		}
	}
	slices.SortFunc(files, func(a, b composeFile) int {
		if a.path != b.path {
			return strings.Compare(a.path, b.path)
		}
		return len(a.root) - len(b.root)
	})
	return slices.CompactFunc(files, func(a, b composeFile) bool { return a.path == b.path })
}

// readComposeFiles reads those files that are there. One that a label names and that cannot
// be read is skipped with the reason; a missing .env is nothing to speak of.
func readComposeFiles(files []composeFile) (list []definition, skipped []Skipped) {
	for _, f := range files {
		if !filepath.IsAbs(f.path) {
			continue
		}
		var data []byte
		var st hostfs.Stat
		err := errNoComposeName
		if composeName(f.path) {
			data, st, err = hostfs.ReadBeneath(f.root, strings.TrimPrefix(f.path[len(f.root):], "/"), maxComposeFile)
		}
		switch {
		case err == nil:
			list = append(list, definition{
				kind: KindDefinition, name: fileDefinition(f.path), mediaType: mediaTypeText, data: data, stat: &st,
			})
		case errors.Is(err, fs.ErrNotExist) && filepath.Base(f.path) == ".env":
		default:
			skipped = append(skipped, Skipped{Kind: KindDefinition, Name: fileDefinition(f.path), Reason: err.Error()})
		}
	}
	return list, skipped
}

var errNoComposeName = errors.New("is not saved as a compose file: its name ends in none of .yml, .yaml, .env")
