package engine

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// killInContainer kills a process of this host and its descendants if it is one of the container: its control group is
// named after it.
func killInContainer(pid int, container string) {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err == nil && strings.Contains(string(groups), container) {
		killTree(pid)
	}
}

// killTree kills a process and its descendants. The first is stopped before its children are listed, so that it
// makes no more of them.
func killTree(pid int) {
	if unix.Kill(pid, unix.SIGSTOP) != nil {
		return
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err == nil {
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				killTree(n)
			}
		}
	}
	_ = unix.Kill(pid, unix.SIGKILL) // gone already is as good
}
