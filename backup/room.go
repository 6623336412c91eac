package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// roomMargin is kept free beside what a restore writes.
const roomMargin = 16 << 20

// RoomNeeds sums what is going to be written, by file system. The zero value needs nothing.
type RoomNeeds struct {
	needs map[uint64]*roomNeed
	err   error
}

type roomNeed struct {
	path           string
	bytes, entries uint64
}

// add counts an item that will be written at path, which need not exist yet.
func (n *RoomNeeds) add(path string, it repo.Item) {
	n.AddBytes(path, annotatedNumber(it, annStream, 0), annotatedNumber(it, annEntries, 0))
}

// AddBytes counts bytes and inodes that will be written at path, which need not exist yet.
func (n *RoomNeeds) AddBytes(path string, bytes, entries int64) {
	there, device, err := existing(path)
	if err != nil {
		n.err = errors.Join(n.err, err)
		return
	}
	if n.needs == nil {
		n.needs = map[uint64]*roomNeed{}
	}
	if n.needs[device] == nil {
		n.needs[device] = &roomNeed{path: there}
	}
	n.needs[device].bytes += uint64(bytes)
	n.needs[device].entries += uint64(entries)
}

// existing is the nearest folder of path that exists, with its device.
func existing(path string) (string, uint64, error) {
	for {
		st, err := hostfs.StatPath(path)
		if err == nil {
			return path, st.Dev, nil
		}
		parent := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || parent == path {
			return "", 0, fmt.Errorf("look for room: %w", err)
		}
		path = parent
	}
}

// Check compares the needs with what is free and tells where it is not enough.
func (n *RoomNeeds) Check() ([]Refusal, error) {
	if n.err != nil {
		return nil, n.err
	}
	var refused []Refusal
	for _, need := range n.needs {
		free, inodes, err := hostfs.Space(need.path)
		if err != nil {
			return nil, err
		}
		if need.bytes+roomMargin > free || need.entries > inodes {
			refused = append(refused, Refusal{
				Reason: fmt.Sprintf("no room at %s: %s and %d inodes are needed, %s and %d are free",
					need.path, sizeText(int64(need.bytes+roomMargin)), need.entries, sizeText(int64(free)), inodes),
				Hint: "free some space there, or restore elsewhere with --to",
			})
		}
	}
	return refused, nil
}

// CheckRoom is a *RefusedError when there is hardly any room left where a repository is, for the action that would
// write into it. A server does not tell.
func CheckRoom(r *repo.Repository, action string) error {
	if !r.Local() {
		return nil
	}
	free, inodes, err := hostfs.Space(r.Dir())
	if err != nil {
		return fmt.Errorf("look for room in the repository: %w", err)
	}
	if free < reserveBytes || inodes < reserveInodes {
		return &RefusedError{Action: action, Reasons: []Refusal{{
			Reason: fmt.Sprintf("no room in the repository: %d bytes and %d inodes are free in %s", free, inodes, r.Dir()),
			Hint:   "free some space there, or use another repository",
		}}}
	}
	return nil
}
