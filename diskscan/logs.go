package diskscan

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	st, err := hostfs.LstatPath(path)
	if err != nil {
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
	return l.refuses(file)
}
