package guard

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// standAside moves this process to the root of every control group hierarchy and out of
// the way of the killer for lack of memory, as far as that is allowed. What is not allowed
// is left: the guard then shares the fate of davit's control group, and Recover remains.
func standAside() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(oomScore)), 0)
	for _, root := range cgroupRoots() {
		_ = os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte("0"), 0)
	}
}

// cgroupRoots lists where control group hierarchies are mounted, of version 1 and 2.
func cgroupRoots() []string {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil
	}
	defer f.Close()
	var roots []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if m := strings.Fields(s.Text()); len(m) > 2 && (m[2] == "cgroup" || m[2] == "cgroup2") {
			roots = append(roots, m[1])
		}
	}
	return roots
}
