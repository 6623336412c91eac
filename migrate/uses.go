package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// InUseError means that something still works in a folder.
type InUseError struct {
	Path string
	Uses []string
}

func (e *InUseError) Error() string {
	more := ""
	if n := len(e.Uses); n > 1 {
		more = fmt.Sprintf(" (and %d more)", n-1)
	}
	return fmt.Sprintf("%s is in use: %s%s", e.Path, e.Uses[0], more)
}

// letGoTime is how long what works in a folder may take to end after the engine has: mounts go away later.
const letGoTime = 20 * time.Second

// waitUnused waits until nothing uses the folder any more.
func waitUnused(ctx context.Context, path string) error {
	deadline := time.Now().Add(letGoTime)
	for {
		err := unused(path)
		var busy *InUseError
		if err == nil || !errors.As(err, &busy) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// unused looks for mounts below the folder, and for processes that have their folder, their program or a file in it.
// This process does not count.
func unused(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("look who uses %s: %w", path, err)
	}
	uses, err := mountsBelow("/proc/self/mountinfo", real)
	if err != nil {
		return fmt.Errorf("look who uses %s: %w", path, err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return fmt.Errorf("look who uses %s: %w", path, err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		uses = append(uses, usesOf(pid, real)...)
	}
	if len(uses) == 0 {
		return nil
	}
	return &InUseError{Path: path, Uses: uses}
}

// mountsBelow lists what is mounted below a folder; on the folder itself does not count.
func mountsBelow(table, dir string) ([]string, error) {
	data, err := os.ReadFile(table)
	if err != nil {
		return nil, err
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var found []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(unescape.Replace(f[4]), dir+"/") {
			found = append(found, "mounted: "+unescape.Replace(f[4]))
		}
	}
	return found, nil
}

// usesOf lists what one process has in a folder. A process that ends meanwhile has nothing.
func usesOf(pid int, dir string) []string {
	proc := fmt.Sprintf("/proc/%d/", pid)
	var links []string
	for _, l := range []string{"cwd", "root", "exe"} {
		links = append(links, proc+l)
	}
	for _, sub := range []string{"fd", "map_files"} {
		entries, _ := os.ReadDir(proc + sub)
		for _, e := range entries {
			links = append(links, proc+sub+"/"+e.Name())
		}
	}
	for _, l := range links {
		target, err := os.Readlink(l)
		if err == nil && (target == dir || strings.HasPrefix(target, dir+"/")) {
			comm, _ := os.ReadFile(proc + "comm")
			return []string{fmt.Sprintf("%s (pid %d) has %s", strings.TrimSpace(string(comm)), pid, target)}
		}
	}
	return nil
}
