//go:build linux

package diskscan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"davit/engine/hostfs"

	"golang.org/x/sys/unix"
)

// inCgroup finds a container's id in the name of a control group.
var inCgroup = regexp.MustCompile(`(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)`)

// DeletedOpen looks for deleted files on the given devices that some process has open or mapped, the largest first. A
// process that may not be looked into is a problem; one that ended meanwhile is not.
func DeletedOpen(devices map[uint64]bool) (files []OpenFile, problems []Problem) {
	pids, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, []Problem{{"/proc", err.Error()}}
	}
	found := map[inode]*OpenFile{}
	denied := 0
	for _, proc := range pids {
		pid, err := strconv.Atoi(filepath.Base(proc))
		if err != nil {
			continue
		}
		o := opener{pid: pid, proc: proc, devices: devices, found: found}
		if err := errors.Join(o.descriptors(), o.mappings()); errors.Is(err, fs.ErrPermission) {
			denied++
		}
	}
	if denied > 0 {
		problems = append(problems, Problem{"/proc", fmt.Sprintf("open files of %d processes are not shown to this user", denied)})
	}
	for _, f := range found {
		files = append(files, *f)
	}
	slices.SortFunc(files, func(a, b OpenFile) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.PID, b.PID), cmp.Compare(a.Path, b.Path))
	})
	return files, problems
}

// opener looks at what one process has.
type opener struct {
	pid     int
	proc    string
	devices map[uint64]bool
	found   map[inode]*OpenFile
	own     map[inode]bool // by this process
}

const deletedMark = " (deleted)"

func (o *opener) descriptors() error {
	dir := o.proc + "/fd"
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		link := dir + "/" + e.Name()
		target, linkErr := os.Readlink(link)
		fd, numErr := strconv.Atoi(e.Name())
		if linkErr == nil && numErr == nil && strings.HasSuffix(target, deletedMark) {
			o.note(link, target, fd)
		}
	}
	return err
}

// mappings looks at files that are mapped and not open any more, such as libraries that an upgrade has replaced.
func (o *opener) mappings() error {
	maps, err := os.ReadFile(o.proc + "/maps")
	for line := range strings.Lines(string(maps)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasSuffix(line, deletedMark) {
			continue
		}
		// 7f00-7f01 r--p 00000000 fe:00 1234     /path (deleted)
		if fields := strings.SplitN(line, " ", 6); len(fields) == 6 {
			o.note(o.proc+"/map_files/"+plainRange(fields[0]), strings.TrimLeft(fields[5], " "), -1)
		}
	}
	return err
}

// plainRange drops the leading zeros that map_files does not have.
func plainRange(s string) string {
	from, to, _ := strings.Cut(s, "-")
	return strings.TrimLeft(from, "0") + "-" + strings.TrimLeft(to, "0")
}

// note looks at the file behind a link of /proc, which works although it has no name.
func (o *opener) note(link, target string, fd int) {
	var st unix.Stat_t
	if unix.Stat(link, &st) != nil || st.Nlink != 0 || !o.devices[st.Dev] || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	id := inode{st.Dev, st.Ino}
	if o.own[id] {
		return
	}
	if o.own == nil {
		o.own = map[inode]bool{}
	}
	o.own[id] = true
	f := o.found[id]
	if f == nil {
		f = &OpenFile{Path: strings.TrimSuffix(target, deletedMark), Bytes: st.Blocks * 512, PID: o.pid, FD: fd}
		f.Process, f.ContainerID = processName(o.proc), containerOf(o.proc)
		o.found[id] = f
	}
	f.Holders++
}

func processName(proc string) string {
	name, _ := os.ReadFile(proc + "/comm") // it may have ended
	return strings.TrimSuffix(string(name), "\n")
}

// containerOf is the id of the container that a process is in, "" for none.
func containerOf(proc string) string {
	groups, _ := os.ReadFile(proc + "/cgroup") // it may have ended
	for line := range strings.Lines(string(groups)) {
		if m := inCgroup.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			return m[1]
		}
	}
	return ""
}

// devicesOf are the devices of the file systems, and of the overlay mounts whose upper layer is on one of them: a file
// of a container has the overlay's device.
func devicesOf(systems []FileSystem) map[uint64]bool {
	devices := map[uint64]bool{}
	for _, fs := range systems {
		devices[fs.id] = true
	}
	table, err := hostfs.Mounts()
	if err != nil {
		return devices
	}
	for _, m := range table {
		if m.FSType != "overlay" {
			continue
		}
		for _, option := range m.Options {
			upper, ok := strings.CutPrefix(option, "upperdir=")
			var st, at unix.Stat_t
			if ok && unix.Stat(hostfs.PlainField(upper), &st) == nil && devices[st.Dev] && unix.Stat(m.Point, &at) == nil {
				devices[at.Dev] = true
			}
		}
	}
	return devices
}
