package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxComposeFile bounds a compose or .env file that is saved as a definition.
const maxComposeFile = 1 << 20

// definition is a document that becomes an item of its own.
type definition struct {
	kind, name string
	mediaType  string
	data       []byte
}

// Media types of the one layer of a definition item.
const (
	mediaTypeInspect = "application/vnd.davit.inspect.v1+json"
	mediaTypeText    = "text/plain; charset=utf-8"
)

// definitionsOf collects the inspect documents of what was chosen.
func definitionsOf(inv *inventory, c *chosen) []definition {
	var list []definition
	for _, ctr := range c.sortedContainers() {
		list = append(list, inspected(KindContainer, ctr.Name, ctr.Raw))
	}
	for _, n := range inv.networks {
		if c.networks[n.Name] {
			list = append(list, inspected(KindNetwork, n.Name, n.Raw))
		}
	}
	for _, v := range inv.volumes {
		if _, ok := c.volumes[v.Name]; ok {
			list = append(list, inspected(KindDefinition, volumeDefinition(v.Name), v.Raw))
		}
	}
	return list
}

func inspected(kind, name string, raw json.RawMessage) definition {
	return definition{kind: kind, name: name, mediaType: mediaTypeInspect, data: raw}
}

// volumeDefinition is the name of the item that holds a volume's definition.
func volumeDefinition(volume string) string { return KindVolume + "/" + volume }

// fileDefinition is the name of the item that holds a compose or .env file.
func fileDefinition(path string) string { return "file/" + path }

// composeFiles are the paths of the compose and .env files that the chosen
// containers were made from. Only their own labels count: an image could name any file.
func composeFiles(inv *inventory, c *chosen) []string {
	var paths []string
	for _, ctr := range c.sortedContainers() {
		dir := inv.label(ctr, composePrefix+"project.working_dir")
		for _, label := range []string{"project.config_files", "project.environment_file"} {
			for path := range strings.SplitSeq(inv.label(ctr, composePrefix+label), ",") {
				if path == "" {
					continue
				}
				if !filepath.IsAbs(path) {
					path = filepath.Join(dir, path)
				}
				paths = append(paths, filepath.Clean(path))
			}
		}
		if filepath.IsAbs(dir) {
			paths = append(paths, filepath.Join(dir, ".env"))
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// readComposeFiles reads those files that are there. One that a label names and that cannot
// be read is skipped with the reason; a missing .env is nothing to speak of.
func readComposeFiles(paths []string) (list []definition, skipped []Skipped) {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			continue
		}
		data, err := readSmallFile(path, maxComposeFile)
		switch {
		case err == nil:
			list = append(list, definition{
				kind: KindDefinition, name: fileDefinition(path), mediaType: mediaTypeText, data: data,
			})
		case errors.Is(err, os.ErrNotExist) && filepath.Base(path) == ".env":
		default:
			skipped = append(skipped, Skipped{Kind: KindDefinition, Name: fileDefinition(path), Reason: err.Error()})
		}
	}
	return list, skipped
}

// readSmallFile reads a regular file of at most limit bytes and never waits for a pipe or device.
func readSmallFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			return nil, pathErr.Err
		}
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	var data bytes.Buffer
	n, err := io.Copy(&data, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data.Bytes(), nil
}
