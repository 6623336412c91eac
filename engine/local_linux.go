package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxDatabase bounds what is read of the engine's network database; it holds a few KiB
// for each network and port.
const maxDatabase = 256 << 20

// proveHere proves it by the data-root, which knows the networks, and by the process that works on it.
func proveHere(info Info, networkIDs []string, socket string) error {
	holder, err := proveDataRoot(info, networkIDs)
	if err != nil {
		return err
	}
	if err := provePeer(socket, holder); err != nil {
		return err
	}
	return proveSameFolder(holder, info.DataRoot)
}

// proveDataRoot finds the engine's networks and identity below the data-root, and returns
// the process that works on it.
func proveDataRoot(info Info, networkIDs []string) (holder int, err error) {
	if info.DataRoot == "" {
		return 0, errors.New("it names no data-root")
	}
	id, err := os.ReadFile(filepath.Join(info.DataRoot, "engine-id"))
	if err == nil && strings.TrimSpace(string(id)) != info.ID {
		return 0, fmt.Errorf("%s here belongs to another engine", info.DataRoot)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("cannot look into its data-root: %w", err)
	}
	networks, err := readDatabase(filepath.Join(info.DataRoot, "network", "files", "local-kv.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is no data-root of an engine here", info.DataRoot)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot look into its data-root: %w", err)
	}
	for _, id := range networkIDs {
		if !bytes.Contains(networks, []byte(id)) {
			return 0, fmt.Errorf("%s here belongs to another engine", info.DataRoot)
		}
	}
	// The one database that all engines keep open as long as they live.
	return lockHolder(filepath.Join(info.DataRoot, "volumes", "metadata.db"))
}

func readDatabase(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxDatabase))
}

// lockHolder finds, without touching the lock, the process that holds a file's flock.
func lockHolder(file string) (int, error) {
	var st unix.Stat_t
	if err := unix.Lstat(file, &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", file, err)
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(locks), "\n") {
		// The device is left out: btrfs shows another one in stat. The file must be open.
		if pid, ok := writeLock(line, st.Ino); ok && holds(pid, &st) {
			return pid, nil
		}
	}
	// The kernel gives its list piece by piece, and leaves locks out when others come and go meanwhile.
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, p := range processes {
		if pid, err := strconv.Atoi(p.Name()); err == nil && holds(pid, &st) {
			return pid, nil
		}
	}
	return 0, errors.New("no engine here works on the data-root that it names")
}

// writeLock reads a line of the kernel's list of locks: whose flock for writing on the inode it tells of.
func writeLock(line string, inode uint64) (pid int, ok bool) {
	// 1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234 0 EOF
	f := strings.Fields(strings.TrimPrefix(line, "lock:"))
	if len(f) < 6 || f[1] != "FLOCK" || f[3] != "WRITE" || !strings.HasSuffix(f[5], ":"+strconv.FormatUint(inode, 10)) {
		return 0, false
	}
	pid, err := strconv.Atoi(f[4])
	return pid, err == nil && pid > 0
}

// holds tells whether a process has the file open, and its flock for writing with it.
func holds(pid int, st *unix.Stat_t) bool {
	dir := fmt.Sprintf("/proc/%d", pid)
	entries, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return false
	}
	for _, e := range entries {
		var its unix.Stat_t
		if unix.Stat(filepath.Join(dir, "fd", e.Name()), &its) != nil || its.Ino != st.Ino || its.Dev != st.Dev {
			continue
		}
		info, _ := os.ReadFile(filepath.Join(dir, "fdinfo", e.Name())) // closed meanwhile: it holds nothing
		for _, line := range strings.Split(string(info), "\n") {
			if owner, ok := writeLock(line, st.Ino); ok && owner == pid {
				return true
			}
		}
	}
	return false
}

// provePeer checks who made the socket that answers: the engine's process, or the first
// process, when a service manager handed the socket to it.
func provePeer(socket string, holder int) error {
	pid, err := peer(socket)
	if err != nil {
		return fmt.Errorf("ask who serves %s: %w", socket, err)
	}
	switch pid {
	case holder, 1:
		return nil
	case 0:
		return fmt.Errorf("%s is served from outside this process's namespace", socket)
	}
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Errorf("%s is served by %s (pid %d), not by the engine", socket, strings.TrimSpace(string(name)), pid)
}

// peer is the process that made a listening socket; 0 when it is in another namespace.
func peer(socket string) (int, error) {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Pid), nil
}

// proveSameFolder compares what this process and the engine's see by one path.
func proveSameFolder(pid int, path string) error {
	var mine, its unix.Stat_t
	if err := unix.Stat(path, &mine); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/root%s", pid, path), &its); err != nil {
		return fmt.Errorf("look at %s as the engine does: %w", path, err)
	}
	if mine.Dev != its.Dev || mine.Ino != its.Ino {
		return fmt.Errorf("%s is another folder for the engine than here", path)
	}
	return nil
}
