package enginetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processes lists what belongs to the engine.
func (s *scratch) processes() []int {
	var pids []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && s.owns(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// owns tells that a process is in the engine's network namespace or in its cgroups.
func (s *scratch) owns(pid int) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	var mine, its unix.Stat_t
	if unix.Stat(netnsPath(s.name), &mine) == nil && unix.Stat(proc+"/ns/net", &its) == nil &&
		mine.Ino == its.Ino && mine.Dev == its.Dev {
		return true
	}
	cgroups, err := os.ReadFile(proc + "/cgroup")
	if err != nil || !bytes.Contains(cgroups, []byte(":/"+s.name+"/")) {
		return false
	}
	// A zombie cannot be killed; its parent is to reap it.
	stat, err := os.ReadFile(proc + "/stat")
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// cgroupDirs are the engine's folders in every cgroup hierarchy.
func (s *scratch) cgroupDirs() []string {
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/" + s.name)
	if _, err := os.Stat("/sys/fs/cgroup/" + s.name); err == nil {
		dirs = append(dirs, "/sys/fs/cgroup/"+s.name)
	}
	return dirs
}

// thaw lets paused containers run: a frozen process does not even die.
func (s *scratch) thaw() {
	for _, dir := range s.cgroupDirs() {
		states, _ := filepath.Glob(dir + "/*/freezer.state")
		for _, f := range states {
			os.WriteFile(f, []byte("THAWED"), 0)
		}
		states, _ = filepath.Glob(dir + "/*/cgroup.freeze")
		for _, f := range states {
			os.WriteFile(f, []byte("0"), 0)
		}
	}
}

func (s *scratch) removeCgroups() error {
	var errs []error
	for _, top := range s.cgroupDirs() {
		var dirs []string
		filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := removeCgroup(dirs[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("rmdir %s: %w", dirs[i], err))
			}
		}
	}
	return errors.Join(errs...)
}

// removeCgroup waits for processes that are dead and have not left it yet.
func removeCgroup(dir string) error {
	err := unix.Rmdir(dir)
	for end := time.Now().Add(time.Minute); errors.Is(err, unix.EBUSY) && time.Now().Before(end); err = unix.Rmdir(dir) {
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

// shimSockets are the sockets that containerd's shims keep outside their engine's folder,
// named by a hash of the engine's address and the container.
func (s *scratch) shimSockets() []string {
	var files []string
	for _, dir := range []string{s.outer, filepath.Join(s.outer, "m")} {
		ids, _ := filepath.Glob(filepath.Join(dir, "data", "containers", "*"))
		for _, id := range ids {
			key := filepath.Join(dir, "c", "moby", filepath.Base(id))
			for _, k := range []string{key, key + "/debug"} {
				files = append(files, fmt.Sprintf("/run/containerd/s/%x", sha256.Sum256([]byte(k))))
			}
		}
	}
	return files
}

// lines splits a command's output, leaving out empty lines.
func lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
}
