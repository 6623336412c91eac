package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

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
	awaitStop(pid)
	for _, child := range children(pid) {
		killTree(child)
	}
	_ = unix.Kill(pid, unix.SIGKILL) // gone already is as good
}

// stopTime is how long a process that was told to stop is waited for. One that waits for its disk stops later, and
// makes no children meanwhile.
const stopTime = 2 * time.Second

// awaitStop waits until all threads of a process stand still: the signal is sent before it arrives, and whoever is
// about to have a child has it first.
func awaitStop(pid int) {
	for end := time.Now().Add(stopTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if !moves(pid) {
			return
		}
	}
}

// moves tells whether a thread of a process is neither stopped nor dead.
func moves(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is well-formed
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		_, after, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
		if err == nil && ok && len(after) > 0 && !bytes.ContainsRune([]byte("TtZXx"), rune(after[0])) {
			return true
		}
	}
	return false
}

// children lists what the threads of a process have started.
func children(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well-formed
	var all []int
	for _, file := range lists {
		list, _ := os.ReadFile(file) // a thread that has ended handed its children to another one
		for _, child := range strings.Fields(string(list)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}
