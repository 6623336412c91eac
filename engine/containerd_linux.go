package engine

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// defaultContainerdRoot is where a containerd of its own service keeps its data.
const defaultContainerdRoot = "/var/lib/containerd"

// containerdRoot finds the folder of the containerd that serves an address on this
// machine: the engine does not tell. Older engines do not even tell the address; then it
// is the usual folder, if there is one. One that dockerd runs itself is below the
// data-root.
func containerdRoot(address string) string {
	if address == "" {
		if st, err := os.Stat(defaultContainerdRoot); err == nil && st.IsDir() {
			return defaultContainerdRoot
		}
		return ""
	}
	pid, err := peer(strings.TrimPrefix(address, "unix://"))
	if err != nil || pid == 0 {
		return ""
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	args := strings.Split(string(bytes.TrimRight(cmdline, "\x00")), "\x00")
	if root := flagValue(args, "--root", "-root"); root != "" {
		return root
	}
	config := flagValue(args, "--config", "-config", "-c")
	if config == "" {
		config = "/etc/containerd/config.toml"
	}
	if root := rootInConfig(config); root != "" {
		return root
	}
	return defaultContainerdRoot
}

// flagValue finds "--name value" or "--name=value".
func flagValue(args []string, names ...string) string {
	for i, a := range args {
		for _, n := range names {
			if a == n && i+1 < len(args) {
				return args[i+1]
			}
			if v, ok := strings.CutPrefix(a, n+"="); ok {
				return v
			}
		}
	}
	return ""
}

// rootInConfig reads the key root, which TOML wants before the first table.
func rootInConfig(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	head, _, _ := strings.Cut("\n"+string(data), "\n[")
	m := regexp.MustCompile(`(?m)^\s*root\s*=\s*["']([^"']*)["']`).FindStringSubmatch(head)
	if m == nil {
		return ""
	}
	return m[1]
}
