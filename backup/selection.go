package backup

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Selection is what the flags of create say about what to save. The zero value selects
// everything on the host that matters.
type Selection struct {
	All        bool     `json:"all,omitempty"`
	Volumes    []string `json:"volumes,omitempty"`
	Paths      []string `json:"paths,omitempty"` // absolute or relative to the working folder
	Binds      bool     `json:"binds,omitempty"` // the bind mounts of all containers
	Images     []string `json:"images,omitempty"`
	Containers []string `json:"containers,omitempty"` // with their volumes, bind mounts, image and networks
	Projects   []string `json:"projects,omitempty"`   // compose projects: all their containers and volumes

	NoImages bool     `json:"no_images,omitempty"`
	RWLayers bool     `json:"rw_layers,omitempty"` // containers' writable layers as items
	Include  []string `json:"include,omitempty"`   // bind mount sources to save although a rule would skip them
	Exclude  []string `json:"exclude,omitempty"`   // patterns of paths inside items
}

// Everything reports whether the whole host is selected.
func (s Selection) Everything() bool {
	return s.All || !s.named() && len(s.Paths) == 0
}

// NeedsEngine reports whether anything but plain paths is selected.
func (s Selection) NeedsEngine() bool { return s.Everything() || s.named() }

func (s Selection) named() bool {
	return s.Binds || len(s.Volumes)+len(s.Images)+len(s.Containers)+len(s.Projects) > 0
}

// Check reports a selection that contradicts itself, as *UsageError.
func (s Selection) Check() error {
	for flag, values := range map[string][]string{
		"--volume": s.Volumes, "--path": s.Paths, "--image": s.Images,
		"--container": s.Containers, "--project": s.Projects,
		"--include": s.Include, "--exclude": s.Exclude,
	} {
		for _, v := range values {
			if v == "" {
				return &UsageError{Reason: flag + " needs a value that is not empty"}
			}
		}
	}
	if s.NoImages && len(s.Images) > 0 {
		return &UsageError{Reason: "--no-images and --image contradict each other"}
	}
	for _, p := range s.Exclude {
		if _, err := filepath.Match(strings.TrimPrefix(p, "/"), ""); err != nil {
			return &UsageError{Reason: fmt.Sprintf("--exclude %s: %v", p, err)}
		}
	}
	return nil
}
