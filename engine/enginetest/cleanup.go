package enginetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sweep ends the engines whose test is dead: nobody holds their owner file's lock.
func sweep(base string) []error {
	var errs []error
	found, _ := filepath.Glob(filepath.Join(base, scratchPrefix+"*"))
	for _, outer := range found {
		owner, err := lockOwner(outer, 0)
		if err != nil {
			continue // alive, or not an engine's
		}
		s := &scratch{name: filepath.Base(outer), outer: outer, owner: owner}
		if err := s.end(); err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", outer, err))
		}
	}
	return errs
}

// end removes the engine and all it made. Nothing of it is needed any more, so nothing is
// asked to stop: that takes ten seconds for a container that ignores SIGTERM.
func (s *scratch) end() error {
	defer s.owner.Close()
	if err := s.killAll(); err != nil {
		return err
	}
	sockets := s.shimSockets()
	err := errors.Join(unmountBelow(s.outer), removeNetns(s.name), s.removeCgroups())
	if err != nil {
		return err
	}
	for _, f := range sockets {
		os.Remove(f)
	}
	return os.RemoveAll(s.outer)
}

// killAll kills what is in the engine's network namespace (dockerd, containerd, shims,
// proxies) and in its containers' cgroups, until nothing is left.
func (s *scratch) killAll() error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		s.thaw()
		n := 0
		for _, pid := range s.processes() {
			n++
			kill(pid, func() bool { return s.owns(pid) })
		}
		if n == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of %s do not die", n, s.name)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// kill sends SIGKILL to the process that owned speaks of, not to a later one with its id.
func kill(pid int, owned func() bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if owned() {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// unmountBelow unmounts what is mounted below dir, the deepest and latest first.
func unmountBelow(dir string) error {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	var errs []error
	for i := len(lines) - 1; i >= 0; i-- {
		fields := strings.Fields(lines[i])
		if len(fields) < 2 || !strings.HasPrefix(fields[1], dir+"/") {
			continue
		}
		if err := unix.Unmount(fields[1], unix.UMOUNT_NOFOLLOW); err != nil {
			err = unix.Unmount(fields[1], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
			if err != nil && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, unix.EINVAL) {
				errs = append(errs, fmt.Errorf("unmount %s: %w", fields[1], err))
			}
		}
	}
	return errors.Join(errs...)
}
