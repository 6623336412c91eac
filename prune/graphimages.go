package prune

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// graphImages reads the images of an engine with a graph driver from its own books, as the engine itself does when it
// starts: for each image it is asked about, it opens all layers.
func graphImages(dir string) ([]heldImage, error) {
	names, err := readNames(filepath.Join(dir, "repositories.json"))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, "imagedb", "content", "sha256"))
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var all []heldImage
	for _, e := range entries {
		img, err := graphImage(dir, "sha256:"+e.Name())
		switch {
		case errors.Is(err, fs.ErrNotExist) || e.Name()[0] == '.': // it is just going, or only coming
			continue
		case err != nil:
			return nil, err
		}
		for _, name := range names[img.ID] {
			if strings.Contains(name, "@") {
				img.Digests = append(img.Digests, name)
			} else {
				img.Tags = append(img.Tags, name)
			}
		}
		all = append(all, img)
	}
	return all, nil
}

// readNames returns the names of images by their ids, sorted.
func readNames(file string) (map[string][]string, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) { // a new engine
		return nil, nil
	}
	var doc struct{ Repositories map[string]map[string]string }
	if err == nil {
		err = json.Unmarshal(data, &doc)
	}
	if err != nil {
		return nil, fmt.Errorf("read names of images: %w", err)
	}
	names := map[string][]string{}
	for _, repository := range doc.Repositories {
		for name, id := range repository {
			names[id] = append(names[id], name)
		}
	}
	for _, list := range names {
		slices.Sort(list)
	}
	return names, nil
}

func graphImage(dir, id string) (heldImage, error) {
	hex := strings.TrimPrefix(id, "sha256:")
	img := heldImage{}
	img.ID = id
	data, err := os.ReadFile(filepath.Join(dir, "imagedb", "content", "sha256", hex))
	if err != nil {
		return img, fmt.Errorf("read image: %w", err)
	}
	var config imageConfig
	if err := json.Unmarshal(data, &config); err != nil {
		return img, fmt.Errorf("read image %s: %w", id, err)
	}
	img.Labels, img.DiffIDs, img.OS, img.Arch = config.Config.Labels, config.RootFS.DiffIDs, config.OS, config.Architecture
	about := filepath.Join(dir, "imagedb", "metadata", "sha256", hex)
	if data, err = os.ReadFile(filepath.Join(about, "parent")); err == nil { // most have none
		img.parent = strings.TrimSpace(string(data))
	}
	if data, err = os.ReadFile(filepath.Join(about, "lastUpdated")); err == nil {
		if t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(data))); err == nil {
			img.tagged = t.UTC()
		}
	}
	return img, nil
}
