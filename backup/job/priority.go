//go:build linux

package job

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The kernel's numbers for ioprio_set.
const (
	ioWhoProcess      = 1
	ioClassShift      = 13
	ioClassBestEffort = 2
	ioClassIdle       = 3
)

// Yield lets this process stand behind others: nice is added to nothing but set, 0 leaves it alone. Priorities
// belong to threads, and new ones have that of the thread that makes them: so all of them are set, until
// no new one is found.
func Yield(nice int, io IONice) error {
	if nice == 0 && io.Class == "" {
		return nil
	}
	done := map[string]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		found := false
		for _, t := range threads {
			if done[t.Name()] {
				continue
			}
			done[t.Name()], found = true, true
			if err := yieldThread(t.Name(), nice, io); err != nil {
				return err
			}
		}
		if !found {
			return nil
		}
	}
}

func yieldThread(name string, nice int, io IONice) error {
	tid, err := strconv.Atoi(name)
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	if nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice); err != nil && err != unix.ESRCH {
			return fmt.Errorf("set nice to %d: %w", nice, err)
		}
	}
	if io.Class == "" {
		return nil
	}
	_, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, ioWhoProcess, uintptr(tid), uintptr(io.kernel()))
	if errno != 0 && errno != unix.ESRCH {
		return fmt.Errorf("set ionice to %s: %w", io.Class, errno)
	}
	return nil
}

func (n IONice) kernel() int {
	if n.Class == ioIdle {
		return ioClassIdle << ioClassShift
	}
	return ioClassBestEffort<<ioClassShift | n.Level
}
