package diskscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"davit/engine/hostfs"
)

// History keeps the totals of saved scans of one host in one small file.
type History struct{ Path string }

const (
	historyVersion = 1
	historyScans   = 24  // older ones go
	historyOwners  = 300 // the largest of each scan
	historyLimit   = 16 << 20
	// saveRoom is what must be free beside the history.
	saveRoom, saveInodes = 16 << 20, 16
)

type historyFile struct {
	Version int         `json:"version"`
	Scans   []savedScan `json:"scans"` // the newest last
}

// savedScan is what is kept of a report.
type savedScan struct {
	Time   time.Time    `json:"time"`
	Paths  []string     `json:"paths"`
	Total  Usage        `json:"total"`
	Owners []savedOwner `json:"owners"`
}

type savedOwner struct {
	Kind  Kind   `json:"kind"`
	Name  string `json:"name"`
	ID    string `json:"id,omitempty"`
	Bytes int64  `json:"bytes"`
}

// load reads the history; one that is not there is empty.
func (h History) load() (historyFile, error) {
	f := historyFile{Version: historyVersion}
	info, err := os.Stat(h.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read history: %w", err)
	}
	if info.Size() > historyLimit {
		return f, fmt.Errorf("read history %s: it is too large to be one", h.Path)
	}
	data, err := os.ReadFile(h.Path)
	if err != nil {
		return f, fmt.Errorf("read history: %w", err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("read history %s: %w", h.Path, err)
	}
	if f.Version != historyVersion {
		return f, fmt.Errorf("read history %s: it is of version %d", h.Path, f.Version)
	}
	return f, nil
}

// Compare fills in the growth since the last saved scan of the same paths, if there is one.
func (h History) Compare(r *Report) error {
	f, err := h.load()
	if err != nil {
		return err
	}
	for _, scan := range slices.Backward(f.Scans) {
		if !slices.Equal(scan.Paths, r.paths()) {
			continue
		}
		before := map[string]int64{}
		for _, o := range scan.Owners {
			before[(&Owner{Kind: o.Kind, Name: o.Name, ID: o.ID}).key()] = o.Bytes
		}
		for i := range r.Owners {
			// An owner that is not in the saved scan is new, or was too small to be kept.
			growth := r.Owners[i].Bytes - before[r.Owners[i].key()]
			r.Owners[i].Growth = &growth
		}
		r.Since = &scan.Time
		return nil
	}
	return nil
}

// paths are what a report is about.
func (r *Report) paths() (paths []string) {
	for _, fs := range r.FileSystems {
		paths = append(paths, fs.Holds...)
	}
	slices.Sort(paths)
	return paths
}

// Save adds a report to the history. It refuses where there is hardly any room: a full disk is not made fuller.
func (h History) Save(r *Report) error {
	f, err := h.load()
	if err != nil {
		return err
	}
	dir := filepath.Dir(h.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save scan: %w", err)
	}
	free, inodes, err := hostfs.Space(dir)
	if err != nil {
		return fmt.Errorf("save scan: %w", err)
	}
	if free < saveRoom || inodes < saveInodes {
		return fmt.Errorf("save scan: hardly any room is left in %s", dir)
	}
	scan := savedScan{Time: r.Time, Paths: r.paths(), Total: r.Total}
	for _, o := range r.Owners[:min(historyOwners, len(r.Owners))] {
		scan.Owners = append(scan.Owners, savedOwner{Kind: o.Kind, Name: o.Name, ID: o.ID, Bytes: o.Bytes})
	}
	f.Scans = append(f.Scans, scan)
	f.Scans = f.Scans[max(0, len(f.Scans)-historyScans):]
	data, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("save scan: %w", err)
	}
	return hostfs.WriteFile(h.Path, data, 0o600)
}
