package prune

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"davit/engine"
)

// pinServices keeps what swarm services name. When they cannot be asked, all volumes and networks may be theirs.
func (r *reading) pinServices() {
	for i := range r.facts.Objects {
		o := &r.facts.Objects[i]
		if r.noServices != nil && (o.Kind == Volume || o.Kind == Network || o.Kind == Image) {
			o.Pins = append(o.Pins, "a swarm service may use it, and this node cannot tell")
			continue
		}
		for _, s := range r.services {
			if serviceNames(s, o) {
				o.Pins = append(o.Pins, "swarm service "+s.Service)
			}
		}
	}
}

func serviceNames(s engine.ServiceRefs, o *Object) bool {
	switch o.Kind {
	case Image:
		return slices.ContainsFunc(s.Images, o.meantBy)
	case Volume:
		return slices.ContainsFunc(s.Volumes, func(name string) bool { return madeFrom(o.Name, name) })
	case Network:
		return slices.Contains(s.Networks, o.ID) || slices.Contains(s.Networks, o.Name)
	}
	return false
}

// meantBy tells whether a service's reference may mean an image: by its id, its name, or its digest. Where both name and
// digest are given the name may mean a newer image meanwhile, and both are.
func (o *Object) meantBy(ref string) bool {
	if hex := strings.TrimPrefix(ref, "sha256:"); len(hex) >= 12 && strings.HasPrefix(strings.TrimPrefix(o.ID, "sha256:"), hex) {
		return true
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return false
	}
	if digested, ok := named.(reference.Digested); ok {
		digest := digested.Digest().String()
		if o.ID == digest || slices.ContainsFunc(o.Digests, func(d string) bool { return strings.HasSuffix(d, "@"+digest) }) {
			return true
		}
	}
	tag := "latest"
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	return slices.Contains(o.Tags, reference.FamiliarName(named)+":"+tag)
}

// madeFrom tells whether a volume's name is that of a service, or may come from it as from a template: each task fills in
// what is in braces.
func madeFrom(name, template string) bool {
	before, rest, ok := strings.Cut(template, "{{")
	if !ok {
		return name == template
	}
	_, after, _ := strings.Cut(rest, "}}")
	if !strings.HasPrefix(name, before) {
		return false
	}
	for at := len(before); at <= len(name); at++ {
		if madeFrom(name[at:], after) {
			return true
		}
	}
	return false
}

// pinMounts keeps volumes that are mounted in some process's view of the file system, whatever the engine knows of it:
// after a restart with live-restore it may have forgotten a running container.
func (r *reading) pinMounts() {
	if !r.local {
		return
	}
	mounts, err := foreignMounts(procFS)
	if err != nil {
		r.note("mounts of other processes cannot be read: %v: volumes count as in use", err)
	}
	known := r.heldVolumes()
	for i := range r.facts.Objects {
		o := &r.facts.Objects[i]
		if o.Kind != Volume || o.Path == "" || known[o.ID] {
			continue
		}
		if err != nil {
			o.Pins = append(o.Pins, "a process may have it mounted, and nobody can tell")
			continue
		}
		if pid, ok := mounts.user(o.Path); ok {
			o.Pins = append(o.Pins, fmt.Sprintf("process %s has it mounted", pid))
		}
	}
}

// heldVolumes are those of containers that the engine knows to run.
func (r *reading) heldVolumes() map[string]bool {
	held := map[string]bool{}
	for i := range r.facts.Objects {
		o := &r.facts.Objects[i]
		if o.Kind != Container || len(o.Pins) == 0 {
			continue
		}
		for _, n := range o.Needs {
			held[n.ID] = held[n.ID] || n.Kind == Volume
		}
	}
	return held
}

// mountTable is what is mounted where, in the mount namespaces of all processes.
type mountTable struct {
	own    []mountLine
	others []mountLine
}

type mountLine struct {
	dev, root, point string
	pid              string
}

// procFS is where the kernel tells of processes.
const procFS = "/proc"

// foreignMounts reads the mounts of every mount namespace once.
func foreignMounts(proc string) (*mountTable, error) {
	own, err := readMounts(proc, "self")
	if err != nil {
		return nil, err
	}
	t := &mountTable{own: own}
	mine, err := os.Readlink(filepath.Join(proc, "self", "ns", "mnt"))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{mine: true}
	processes, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	for _, p := range processes {
		if p.Name()[0] < '0' || p.Name()[0] > '9' {
			continue
		}
		ns, err := os.Readlink(filepath.Join(proc, p.Name(), "ns", "mnt"))
		if err != nil || seen[ns] {
			continue // the process is gone, or its mounts are known
		}
		lines, err := readMounts(proc, p.Name())
		if err != nil {
			continue // gone by now: another process may tell of the same mounts
		}
		seen[ns] = true
		t.others = append(t.others, lines...)
	}
	return t, nil
}

func readMounts(proc, pid string) ([]mountLine, error) {
	data, err := os.ReadFile(filepath.Join(proc, pid, "mountinfo"))
	if err != nil {
		return nil, err
	}
	var list []mountLine
	for line := range strings.SplitSeq(string(data), "\n") {
		// 36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/root rw
		f := strings.Fields(line)
		if len(f) > 5 {
			list = append(list, mountLine{dev: f[2], root: unescape(f[3]), point: unescape(f[4]), pid: pid})
		}
	}
	return list, nil
}

// user finds a process in another mount namespace that has path, or something below it, mounted by itself.
func (t *mountTable) user(path string) (pid string, ok bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	var on mountLine
	for _, m := range t.own { // the last of several on one point is the one that is seen
		if below(real, m.point) && len(m.point) >= len(on.point) {
			on = m
		}
	}
	root := filepath.Join(on.root, strings.TrimPrefix(real, on.point))
	for _, m := range t.others {
		if m.dev == on.dev && below(m.root, root) && m.root != on.root {
			return m.pid, true
		}
	}
	return "", false
}

func below(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// unescape undoes the kernel's octal escapes of blanks.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
