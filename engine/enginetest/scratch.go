package enginetest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// All folders, namespaces and cgroups of private engines begin with this, and only they
// are ever swept.
const scratchPrefix = "dv-"

// maxBase keeps the sockets below a scratch folder under the 107 bytes of a unix address.
const maxBase = 40

// scratch is the folder of one engine. The lock on its owner file is held as long as the
// test's process lives, so that the next one can tell what nobody owns any more.
type scratch struct {
	name  string // dv-…, also names the namespace and the cgroups
	outer string // the folder in the temporary directory
	dir   string // where the engine lives: outer, or a file system of its own in it
	owner *os.File
}

// newScratch removes what dead tests left, and makes a folder, on the file system of disk
// unless that is "".
func newScratch(t testing.TB, disk string) (*scratch, error) {
	base := cmp.Or(disk, os.TempDir())
	if len(base) > maxBase && disk == "" {
		base = "/tmp"
	}
	for _, err := range sweep(base) {
		t.Logf("sweep: %v", err)
	}
	s, err := claim(base)
	if err != nil {
		return nil, err
	}
	s.dir = s.outer
	if err := s.giveDisk(disk == "" && hasMemory()); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// claim makes a folder that is locked before anybody can see it by its name.
func claim(base string) (*scratch, error) {
	hidden, err := os.MkdirTemp(base, "."+scratchPrefix)
	if err != nil {
		return nil, err
	}
	owner, err := lockOwner(hidden, os.O_CREATE)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(hidden))
	}
	name := strings.TrimPrefix(filepath.Base(hidden), ".")
	s := &scratch{name: name, outer: filepath.Join(base, name), owner: owner}
	if err := os.Rename(hidden, s.outer); err != nil {
		return nil, errors.Join(err, owner.Close(), os.RemoveAll(hidden))
	}
	return s, os.Chmod(s.outer, 0o711)
}

func lockOwner(dir string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "owner"), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// giveDisk gives the engine an ext4 image: in memory, because an engine syncs dozens of
// times for each container, and what it has ends with the test; or else only when the
// folder is on overlayfs, on which overlay2 cannot keep its layers.
func (s *scratch) giveDisk(inMemory bool) error {
	image := filepath.Join(s.outer, "disk")
	if inMemory {
		image = filepath.Join(memory, s.name)
	} else if on, err := onOverlay(s.outer); err != nil || !on {
		return err
	}
	// The mount keeps it: what a killed test leaves goes with its mount.
	defer os.Remove(image)
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, 16<<30); err != nil {
		return err
	}
	mount := filepath.Join(s.outer, "m")
	if err := os.Mkdir(mount, 0o755); err != nil {
		return err
	}
	if err := run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", image); err != nil {
		return err
	}
	if err := run("mount", "-o", "loop,discard", image, mount); err != nil {
		return err
	}
	s.dir = mount
	return nil
}

// memory is a folder whose files are kept in memory.
const memory = "/dev/shm"

// hasMemory tells whether there is room for the files of an engine.
func hasMemory() bool {
	var st unix.Statfs_t
	return unix.Statfs(memory, &st) == nil && st.Type == unix.TMPFS_MAGIC && st.Bavail*uint64(st.Bsize) >= 4<<30
}

func onOverlay(dir string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return st.Type == unix.OVERLAYFS_SUPER_MAGIC, nil
}

// run executes a tool and returns what it said when it did not succeed.
func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
