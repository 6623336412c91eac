//go:build linux

package hostfs

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// savedPass is a pass on disk, with the inodes of the two roots that it is about.
type savedPass struct {
	Version  int
	Src, Dst rootInode
	Began    Timespec
	Clock    clockMark
	Folders  map[string]uint64
}

type rootInode struct{ Dev, Ino uint64 }

const passVersion = 1

// ErrOtherTrees means that a saved pass is about other trees.
var ErrOtherTrees = errors.New("a pass over other trees")

// Save keeps the pass in a file, durably, for a later process. What the pass copied has to be on disk before: see
// [Root.Syncfs].
func (p *CopyPass) Save(path string, src, dst *Root) error {
	s := savedPass{Version: passVersion, Began: p.Began, Clock: p.clock, Folders: p.folders}
	var err error
	if s.Src, err = src.inode(); err != nil {
		return err
	}
	if s.Dst, err = dst.inode(); err != nil {
		return err
	}
	a, err := Create(path, 0o600)
	if err != nil {
		return err
	}
	defer a.Abort()
	if err := gob.NewEncoder(a).Encode(s); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return a.Commit()
}

// LoadCopyPass reads a pass that Save kept, if it is about these two trees; it has no mounts. Another copy into the
// target since then does no harm, as long as it came from the same source; anything else that changed the target
// makes the pass worthless.
func LoadCopyPass(path string, src, dst *Root) (*CopyPass, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read pass: %w", err)
	}
	defer file.Close()
	var s savedPass
	if err := gob.NewDecoder(file).Decode(&s); err != nil {
		return nil, fmt.Errorf("read pass %s: %w", filepath.Base(path), err)
	}
	a, err := src.inode()
	if err != nil {
		return nil, err
	}
	b, err := dst.inode()
	if err != nil {
		return nil, err
	}
	if s.Version != passVersion || s.Src != a || s.Dst != b {
		return nil, fmt.Errorf("read pass %s: %w", filepath.Base(path), ErrOtherTrees)
	}
	return &CopyPass{Began: s.Began, clock: s.Clock, folders: s.Folders}, nil
}

func (r *Root) inode() (rootInode, error) {
	st, err := r.Stat()
	return rootInode{Dev: uint64(st.Dev), Ino: st.Ino}, err
}
