//go:build linux

package diskscan

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// LogFile is the log of one container.
type LogFile struct {
	ContainerID string `json:"container_id"`
	Container   string `json:"container"`
	State       string `json:"state"`
	Driver      string `json:"driver"`
	Limited     bool   `json:"limited"` // old lines go when there are too many
	Path        string `json:"path,omitempty"`
	Bytes       int64  `json:"bytes"`             // of the file that is written to
	Rotated     int64  `json:"rotated"`           // of older ones
	Refused     string `json:"refused,omitempty"` // why it cannot be truncated

	folder string // of the container
}

// Logs lists the logs that the engine of a data-root keeps in files, the largest first.
func Logs(dataRoot string, live *Facts) ([]LogFile, []Problem) {
	r := &storeReader{path: dataRoot}
	facts := &Facts{}
	for _, id := range r.names(r.at("containers")) {
		if c, ok := r.container(id); ok {
			facts.Containers = append(facts.Containers, c)
		}
	}
	if live != nil {
		facts.Freshen(*live)
	}
	var logs []LogFile
	for _, c := range facts.Containers {
		l := LogFile{ContainerID: c.ID, Container: c.Name, State: c.State, Driver: c.LogDriver, Limited: c.LogLimited, folder: r.at("containers", c.ID)}
		l.measure()
		logs = append(logs, l)
	}
	slices.SortFunc(logs, func(a, b LogFile) int {
		return cmp.Or(cmp.Compare(b.Bytes+b.Rotated, a.Bytes+a.Rotated), cmp.Compare(a.Container, b.Container))
	})
	return logs, r.problems
}

func (l *LogFile) name() string { return l.ContainerID + "-json.log" }

// measure adds up the files of a log, and says whether it may be truncated.
func (l *LogFile) measure() {
	entries, err := os.ReadDir(l.folder)
	for _, e := range entries {
		if e.Name() == l.name() {
			l.Path = filepath.Join(l.folder, l.name())
			l.Bytes += blocksOf(filepath.Join(l.folder, e.Name()))
		} else if strings.HasPrefix(e.Name(), l.name()+".") || strings.HasPrefix(e.Name(), "container-cached.log") {
			l.Rotated += blocksOf(filepath.Join(l.folder, e.Name()))
		}
	}
	local, _ := filepath.Glob(filepath.Join(l.folder, "local-logs", "*")) // the pattern is well-formed
	for _, path := range local {
		l.Rotated += blocksOf(path)
	}
	switch {
	case err != nil:
		l.Refused = reason(err)
	case l.Driver != "json-file":
		l.Refused = "driver " + l.Driver + " keeps its logs within limits of its own, or elsewhere"
	case l.Path == "":
		l.Refused = "it has no log file"
	default:
		l.Refused = l.check()
	}
}

func blocksOf(path string) int64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

// check opens the log for a moment to see whether it may be truncated.
func (l *LogFile) check() string {
	file, err := l.open()
	if err != nil {
		return reason(err)
	}
	defer file.Close()
	return refuses(file)
}

// open opens the log for writing beneath its folder: only a regular file, through no link.
func (l *LogFile) open() (*os.File, error) {
	root, err := hostfs.OpenRoot(l.folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	dir, err := root.OpenDir("")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, _, err := dir.OpenRegular(l.name())
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR|unix.O_NONBLOCK, 0)
}

// refuses says why an open log must not be truncated; "" when it may. A writer that appends goes on at the new end. One
// that does not goes on where it was, which leaves a hole of zeros in front, at which `docker logs` stops for good. The
// engine opens a log for appending, and without when it has rotated it.
func refuses(file *os.File) string {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return err.Error()
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		return "it is not a plain file with one name"
	}
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	if err != nil {
		return err.Error()
	}
	for _, link := range descriptors {
		var other unix.Stat_t
		if unix.Stat(link, &other) != nil || other.Ino != st.Ino || other.Dev != st.Dev || isOwn(link) {
			continue
		}
		flags, err := openFlags(link)
		switch {
		case errors.Is(err, os.ErrNotExist): // closed meanwhile
		case err != nil:
			return "cannot see how the engine has it open: " + reason(err)
		case flags&unix.O_ACCMODE != unix.O_RDONLY && flags&unix.O_APPEND == 0:
			return "it has been rotated, and truncating it would break it; it stays below its max-size by itself"
		}
	}
	return ""
}

func isOwn(link string) bool {
	return strings.HasPrefix(link, fmt.Sprintf("/proc/%d/", os.Getpid()))
}

// openFlags reads how a process has a file open.
func openFlags(link string) (flags int, err error) {
	info, err := os.ReadFile(strings.Replace(link, "/fd/", "/fdinfo/", 1))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(info)) {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			_, err := fmt.Sscanf(strings.TrimSpace(value), "%o", &flags)
			return flags, err
		}
	}
	return 0, errors.New("no flags in fdinfo")
}
