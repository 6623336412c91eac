package guard

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Process identifies a process beyond the reuse of its number and beyond a reboot.
type Process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // field 22 of /proc/PID/stat: clock ticks since boot
	Boot  string `json:"boot"`  // boot id of the kernel
}

// self is the identity of this process.
func self() (Process, error) {
	if runtime.GOOS != "linux" {
		return Process{PID: os.Getpid()}, nil // there is no /proc
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return Process{}, fmt.Errorf("identify process: %w", err)
	}
	boot, err := bootID()
	if err != nil {
		return Process{}, fmt.Errorf("identify process: %w", err)
	}
	// The second field is the program's name in brackets, and may hold spaces and brackets.
	const start = 22 - 3
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) <= start {
		return Process{}, fmt.Errorf("identify process: odd /proc/self/stat %q", stat)
	}
	return Process{PID: os.Getpid(), Start: fields[start], Boot: boot}, nil
}

func bootID() (string, error) {
	if runtime.GOOS != "linux" {
		return "", nil
	}
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}
