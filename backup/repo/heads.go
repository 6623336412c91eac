package repo

import (
	"context"
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

// Head is the newest snapshot of a host that was seen from here.
type Head struct {
	Sequence int64     `json:"sequence"`
	ID       string    `json:"id"`
	Time     time.Time `json:"time"` // of the snapshot
}

// headsFile is what a machine remembers of an encrypted repository beside its key.
type headsFile struct {
	Version int             `json:"version"`
	Heads   map[string]Head `json:"heads"` // by host
}

const headsSuffix = ".heads"

// RollbackError tells that snapshots that were seen from here are gone without having
// been forgotten: somebody set the repository back, or it is an old copy.
type RollbackError struct {
	Host string
	Seen Head
	Have int64 // the highest sequence number that is there
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("repository was set back: of host %q snapshot %s (number %d, %s) was seen from here, and now there is nothing newer than number %d",
		e.Host, e.Seen.ID, e.Seen.Sequence, e.Seen.Time.Local().Format("2006-01-02 15:04"), e.Have)
}

func (r *Repository) headsPath() string {
	return filepath.Join(r.opt.HostKeys, r.config.ID+headsSuffix)
}

// seenHeads is what was seen, nothing in a clear repository or without a folder to
// remember it in.
func (r *Repository) seenHeads() (map[string]Head, error) {
	if r.vault == nil || r.opt.HostKeys == "" {
		return nil, nil
	}
	data, err := readSmallFile(r.headsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was seen: %w", err)
	}
	var file headsFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("read what was seen: %s: %w", r.headsPath(), err)
	}
	return file.Heads, nil
}

// currentHeads is each host's newest snapshot, forgotten or not.
func (r *Repository) currentHeads(ctx context.Context) (map[string]Head, error) {
	refs, forgotten, err := r.refsEver(ctx)
	return headsOf(append(refs, forgotten...)), err
}

func headsOf(refs []ref) map[string]Head {
	heads := make(map[string]Head)
	for _, f := range refs {
		if f.Sequence > heads[f.Host].Sequence {
			heads[f.Host] = Head{Sequence: f.Sequence, ID: f.ID, Time: f.Time}
		}
	}
	return heads
}

// CheckHeads compares the repository with what was last seen of it from this machine. A
// *RollbackError tells that it has lost snapshots since. A clear repository, and one
// that is seen for the first time, has no past.
func (r *Repository) CheckHeads() error {
	seen, err := r.seenHeads()
	if err != nil || len(seen) == 0 {
		return err
	}
	now, err := r.currentHeads(context.Background())
	if err != nil {
		return err
	}
	return compareHeads(seen, now)
}

func compareHeads(seen, now map[string]Head) error {
	for _, host := range sortedHosts(seen) {
		if have := now[host].Sequence; have < seen[host].Sequence {
			return &RollbackError{Host: host, Seen: seen[host], Have: have}
		}
	}
	return nil
}

func sortedHosts(heads map[string]Head) []string {
	hosts := make([]string, 0, len(heads))
	for host := range heads {
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return hosts
}

// RememberHeads notes what is there now for later CheckHeads. What was seen once is
// not taken back by a repository that has less.
func (r *Repository) RememberHeads() error {
	if r.vault == nil || r.opt.HostKeys == "" {
		return nil
	}
	now, err := r.currentHeads(context.Background())
	if err != nil {
		return err
	}
	return r.rememberHeads(now)
}

func (r *Repository) rememberHeads(now map[string]Head) error {
	if r.vault == nil || r.opt.HostKeys == "" {
		return nil
	}
	seen, err := r.seenHeads()
	if err != nil {
		return err
	}
	changed := false
	for host, head := range now {
		if head.Sequence > seen[host].Sequence {
			if seen == nil {
				seen = make(map[string]Head)
			}
			seen[host], changed = head, true
		}
	}
	if !changed {
		return nil
	}
	return r.writeHeads(seen)
}

func (r *Repository) writeHeads(heads map[string]Head) error {
	data, err := json.Marshal(headsFile{Version: 1, Heads: heads})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.opt.HostKeys, dirPerm); err != nil {
		return fmt.Errorf("remember what was seen: %w", err)
	}
	if err := hostfs.WriteFile(r.headsPath(), append(data, '\n'), filePerm); err != nil {
		return fmt.Errorf("remember what was seen: %w", err)
	}
	return nil
}

// AcceptHeads forgets what was seen: after a loss that is known and cannot be helped.
func (r *Repository) AcceptHeads() error {
	if r.vault == nil || r.opt.HostKeys == "" {
		return nil
	}
	now, err := r.currentHeads(context.Background())
	if err != nil {
		return err
	}
	return r.writeHeads(now)
}
