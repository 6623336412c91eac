package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
)

// process names a process of this machine so that another can tell for certain
// that it is gone.
type process struct {
	Boot      string `json:"boot,omitempty"`      // this run of the machine's kernel
	Namespace string `json:"namespace,omitempty"` // of process ids
	PID       int    `json:"pid,omitempty"`
	Start     string `json:"start,omitempty"` // when it began, in the kernel's ticks
}

// thisProcess names nobody where that cannot be told: the claims of such a process go when they are too old.
func thisProcess() (process, error) {
	if runtime.GOOS != "linux" {
		return process{}, nil
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, fmt.Errorf("read boot id: %w", err)
	}
	p := process{Boot: strings.TrimSpace(string(boot)), PID: os.Getpid()}
	if p.Namespace, err = os.Readlink("/proc/self/ns/pid"); err != nil {
		return process{}, fmt.Errorf("read process namespace: %w", err)
	}
	p.Start, err = startOf(p.PID)
	return p, err
}

// startOf reads field 22 of /proc/PID/stat; the second may hold spaces and brackets.
func startOf(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return "", fmt.Errorf("read /proc/%d/stat: it has %d fields", pid, len(fields))
	}
	return fields[19], nil
}

// gone tells whether a process is certain not to live any more, seen from another:
// both are numbered alike, and its number is nobody's or somebody else's.
func (p process) gone(self process) bool {
	if p.PID == 0 || p.Boot != self.Boot || p.Namespace != self.Namespace {
		return false
	}
	start, err := startOf(p.PID)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return err == nil && start != p.Start
}
