package initscript

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks of the kernel's clock in a second, as user space is told of it (USER_HZ, on all architectures of Go).
const ticks = 100

// process reads the file that dockerd itself writes; 0 when it is not there, or names a process that is not dockerd any more.
func (m *Manager) process(name string) (pid int, since time.Time) {
	text, err := os.ReadFile(filepath.Join(m.root, "run", name+".pid"))
	if err != nil {
		return 0, since
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		return 0, since
	}
	stat, err := os.ReadFile(filepath.Join(m.root, fmt.Sprintf("proc/%d/stat", pid)))
	// The name is in brackets, and may have some itself.
	_, name, _ = strings.Cut(string(stat[:max(0, bytes.LastIndexByte(stat, ')'))]), "(")
	if err != nil || name != "dockerd" {
		return 0, since
	}
	return pid, m.begun(stat)
}

// begun is the start of a process, field 22 of proc(5), as a time of day; zero when it cannot be told.
func (m *Manager) begun(stat []byte) time.Time {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return time.Time{}
	}
	after, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}
	}
	kernel, err := os.ReadFile(filepath.Join(m.root, "proc/stat"))
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(kernel)) {
		if boot, ok := strings.CutPrefix(line, "btime "); ok {
			if sec, err := strconv.ParseInt(strings.TrimSpace(boot), 10, 64); err == nil {
				return time.Unix(sec+after/ticks, 0)
			}
		}
	}
	return time.Time{}
}
