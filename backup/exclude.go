package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"davit/engine/hostfs"
)

// bindRules decides which bind mounts are saved. All folders are real paths (see realPath).
type bindRules struct {
	dataRoot   string // of the engine, "" when unknown
	containerd string // containerd's root, "" when unknown
	repository string
	state      []string // davit's own folders
	sockets    []string // the engine's
	include    []string // what the caller wants although a rule says no
	probe      func(path string) (probed, error)
}

// probed is what a rule needs to know of a path on this host.
type probed struct {
	mode    fs.FileMode
	fsType  string
	remote  bool   // network or FUSE
	trusted bool   // a local disk file system, which a walk enters when it is mounted below
	mountID uint64 // of the mount it is on
}

// here is the repository's folder where the engine's paths are paths of this host, and else "".
func (r *bindRules) here(local bool) string {
	if !local {
		return ""
	}
	return r.repository
}

// verdict is why a bind mount is not saved; an empty reason means that it is.
type verdict struct{ reason, hint string }

// kernelFolders are never saved, not even below them, whatever the caller includes.
func kernelFolders() []string { return []string{"/proc", "/sys", "/dev", "/run"} }

// systemFolders are not saved as a whole: they are the machine, not a container's data.
func systemFolders() []string {
	return []string{
		"/etc", "/usr", "/var", "/home", "/boot", "/lib", "/lib32", "/lib64", "/bin", "/sbin",
	}
}

// judge says whether the bind mount with this real source path is saved.
func (r *bindRules) judge(source string) (verdict, probed) {
	if v := r.never(source); v.reason != "" {
		return v, probed{}
	}
	p, err := r.probe(source)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return verdict{reason: "does not exist"}, p
	case err != nil:
		return verdict{reason: err.Error()}, p
	case !p.mode.IsDir() && !p.mode.IsRegular():
		return verdict{reason: "is a " + typeName(p.mode)}, p
	case slices.Contains(r.include, source):
		return verdict{}, p
	}
	v := r.overridable(source, p)
	if v.reason != "" {
		v.hint = "--include " + source + " saves it all the same"
	}
	return v, p
}

// never is what --include does not override.
func (r *bindRules) never(source string) verdict {
	if source == "/" {
		return verdict{reason: "is the whole file system"}
	}
	for _, dir := range kernelFolders() {
		if within(dir, source) {
			return verdict{reason: "lies in " + dir + ", which the kernel and running services make"}
		}
	}
	if slices.Contains(r.sockets, source) {
		return verdict{reason: "is the engine's socket"}
	}
	if r.dataRoot != "" && source == r.dataRoot {
		return verdict{reason: "is the engine's data-root"}
	}
	if r.repository != "" && overlap(r.repository, source) {
		return verdict{reason: "holds the repository, or lies in it"}
	}
	return verdict{}
}

// overridable is what --include overrides.
func (r *bindRules) overridable(source string, p probed) verdict {
	for _, special := range []struct{ dir, name string }{
		{r.dataRoot, "the engine's data-root"},
		{r.containerd, "containerd's root"},
	} {
		if special.dir == "" {
			continue
		}
		if within(special.dir, source) {
			return verdict{reason: "lies in " + special.name}
		}
		if within(source, special.dir) {
			return verdict{reason: "holds " + special.name}
		}
	}
	for _, dir := range r.state {
		if dir != "" && overlap(dir, source) {
			return verdict{reason: "is davit's own state, or holds it"}
		}
	}
	if slices.Contains(systemFolders(), source) {
		return verdict{reason: "is a system folder as a whole"}
	}
	if p.remote {
		return verdict{reason: fmt.Sprintf("is on a network or FUSE file system (%s)", p.fsType)}
	}
	return verdict{}
}

// dropCovered leaves out sources below another one that is saved. A source on another
// mount is covered only when the walk from above enters that mount.
func dropCovered(sources map[string]probed, above []string, include []string) map[string]string {
	covered := map[string]string{}
	for source, p := range sources {
		for other, q := range sources {
			entered := p.mountID == q.mountID || p.trusted
			if below(other, source) && q.mode.IsDir() && entered && !slices.Contains(include, source) {
				covered[source] = other
			}
		}
		for _, dir := range above {
			if within(dir, source) {
				covered[source] = dir
			}
		}
	}
	return covered
}

// probePath looks at a path of this host.
func probePath(path string) (probed, error) {
	info, err := os.Stat(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			return probed{}, pathErr.Err
		}
		return probed{}, err
	}
	p := probed{mode: info.Mode()}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return p, nil
	}
	dir := path
	if !info.IsDir() {
		dir = filepath.Dir(path)
	}
	root, err := hostfs.OpenRoot(dir)
	if err != nil {
		return probed{}, err
	}
	defer root.Close()
	st, err := root.Stat()
	if err != nil {
		return probed{}, err
	}
	p.mountID = st.MountID
	name, trusted, err := root.FSType()
	if err != nil {
		return probed{}, err
	}
	p.fsType, p.remote, p.trusted = name, isRemote(name), trusted
	return p, nil
}

// isRemote reports whether a file system's content comes over a network or from a
// user's process: reading it may hang, or read what another host saves.
func isRemote(fsType string) bool {
	const lustre, ocfs2, gfs2 = "0xbd00bd0", "0x7461636f", "0x1161970"
	switch fsType {
	case "nfs", "cifs", "ceph", "afs", "9p", "fuse", lustre, ocfs2, gfs2:
		return true
	}
	return false
}

func typeName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	}
	return "special file"
}

// isMountPoint reports whether something is mounted at the folder itself.
func isMountPoint(path string) (bool, error) {
	self, err := hostfs.StatPath(path)
	if err != nil {
		return false, err
	}
	parent, err := hostfs.StatPath(filepath.Dir(path))
	return self.MountID != parent.MountID, err
}
