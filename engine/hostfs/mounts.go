package hostfs

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Mount is one mount in this process's view.
type Mount struct {
	ID      uint64
	Root    string // which folder of the file system is mounted
	Point   string
	FSType  string
	Source  string   // a device, or what the file system takes for one
	Options []string // of the mount and of the file system: "ro", "noexec", …
}

// Mounts reads what is mounted in this process's view, in the order of mounting.
func Mounts() ([]Mount, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	defer f.Close()
	var all []Mount
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // overlay mounts list all their layers
	for lines.Scan() {
		if m, ok := parseMount(lines.Text()); ok {
			all = append(all, m)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return all, nil
}

// parseMount reads "36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue".
func parseMount(line string) (Mount, bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 6 || len(right) < 2 {
		return Mount{}, false
	}
	id, err := strconv.ParseUint(left[0], 10, 64)
	m := Mount{ID: id, Root: PlainField(left[3]), Point: PlainField(left[4]), FSType: right[0], Source: PlainField(right[1])}
	m.Options = strings.Split(left[5], ",")
	if len(right) > 2 {
		m.Options = append(m.Options, strings.Split(right[2], ",")...)
	}
	return m, err == nil
}

// PlainField undoes how the kernel writes blanks and backslashes in mountinfo, options included: \040.
func PlainField(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// MountOf finds the mount that an absolute, clean path without symlinks is on.
func MountOf(mounts []Mount, path string) (Mount, bool) {
	var found Mount
	var ok bool
	for _, m := range mounts {
		if Below(path, m.Point) && len(m.Point) >= len(found.Point) { // of several on one folder the last is seen
			found, ok = m, true
		}
	}
	return found, ok
}

// Below tells whether path is dir or below it; both are absolute and clean.
func Below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
