//go:build linux

package chunk

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// maxClones bounds the clones of one pass: each is an open file.
const maxClones = 2048

// Clones lets Read take big files as reflink clones: that costs about the same whatever their size, and their content is
// read when the containers run again. Clones are nameless files, so that nothing of them outlives the process. It is
// safe for concurrent use.
type Clones struct {
	root *hostfs.Root

	mu   sync.Mutex
	room int64 // for blocks that containers write while their old content is still kept by a clone
	made int
}

// NewClones returns clones of files below root, whose content is at most room bytes in all. The error is ErrNoClones where
// there are none, or says why none can be made.
func NewClones(root *hostfs.Root, room int64) (*Clones, error) {
	c := &Clones{root: root, room: room}
	from, err := c.create()
	if err != nil {
		return nil, err
	}
	defer unix.Close(from)
	if _, err := unix.Pwrite(from, []byte("davit"), 0); err != nil {
		return nil, fmt.Errorf("try to clone: %w", err)
	}
	to, err := c.create()
	if err != nil {
		return nil, err
	}
	defer unix.Close(to)
	switch err := unix.IoctlFileClone(to, from); {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOTTY):
		return nil, ErrNoClones
	case err != nil:
		return nil, fmt.Errorf("try to clone: %w", err)
	}
	return c, nil
}

// Made is how many files were cloned.
func (c *Clones) Made() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made
}

func (c *Clones) create() (fd int, err error) {
	fd, err = unix.Openat(c.root.FD(), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, fmt.Errorf("make a nameless file in %s: %w", c.root.Path(), err)
	}
	return fd, nil
}

// take counts a clone of n bytes, if there is room for it.
func (c *Clones) take(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.room || c.made >= maxClones {
		return false
	}
	c.room -= n
	c.made++
	return true
}

func (c *Clones) giveBack(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room += n
	c.made--
}

// clone makes a clone of an open file.
func (c *Clones) clone(fd int, size int64) (int, bool) {
	if !c.take(size) {
		return -1, false
	}
	to, err := c.create()
	if err == nil {
		if err = unix.IoctlFileClone(to, fd); err == nil {
			return to, true
		}
		unix.Close(to)
	}
	c.giveBack(size)
	return -1, false
}

// clone takes the big file that s is as a clone, where the pass may, and tells whether it did. A file that is written
// meanwhile is not: its times might belong to other content.
func (w *worker) clone(u *unit, s *source) bool {
	clones := w.pass.options.Clones
	original, local := s.file.(localFile)
	if clones == nil || !local || w.pass.spool == nil {
		return false
	}
	fd, ok := clones.clone(int(original), s.stat.Size)
	if !ok {
		return false
	}
	changed, err := s.changed()
	st, statErr := hostfs.StatFd(fd)
	if changed || err != nil || statErr != nil || st.Size != s.stat.Size {
		unix.Close(fd)
		clones.giveBack(s.stat.Size)
		return false
	}
	u.cloned = &cloned{source: &source{file: localFile(fd), stat: s.stat, xattrs: s.xattrs, segments: s.segments, still: true}}
	return true
}
