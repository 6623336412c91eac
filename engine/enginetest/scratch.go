package enginetest

import (
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

// newScratch removes what dead tests left, and makes a folder.
func newScratch(t testing.TB) (*scratch, error) {
	base := os.TempDir()
	if len(base) > maxBase {
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
	if err := s.needOwnDisk(); err != nil {
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

// needOwnDisk gives the engine an ext4 image when the folder is on overlayfs, on which
// overlay2 cannot keep its layers.
func (s *scratch) needOwnDisk() error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.outer, &st); err != nil {
		return fmt.Errorf("statfs %s: %w", s.outer, err)
	}
	if st.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return nil
	}
	image, mount := filepath.Join(s.outer, "disk"), filepath.Join(s.outer, "m")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, 16<<30); err != nil {
		return err
	}
	if err := os.Mkdir(mount, 0o755); err != nil {
		return err
	}
	if err := run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", image); err != nil {
		return err
	}
	if err := run("mount", "-o", "loop", image, mount); err != nil {
		return err
	}
	s.dir = mount
	return nil
}

// run executes a tool and returns what it said when it did not succeed.
func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
