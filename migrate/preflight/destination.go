package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"davit/engine/hostfs"
	"davit/engine/systemd"
)

// destFacts is what was found out about one destination.
type destFacts struct {
	Destination
	problem  string   // why there is nothing to look at: no such parent, a file, a symlink
	link     string   // the path without symlinks, when there are any
	inside   string   // the store it is in, or that is in it
	entries  []string // of the folder, lost+found left out
	own      bool     // of an unfinished migration
	options  []string // of the mount
	closed   []string // folders above that not everybody may enter
	noauto   bool     // fstab has it, but not for the boot
	casefold bool
	probe    probeResult
}

// lookAtDestinations looks at each store's destination and tries it out.
func (f *facts) lookAtDestinations(ctx context.Context, h Host, r Request) error {
	for i := range f.stores {
		s := &f.stores[i]
		d, err := f.lookAt(ctx, h, r, s.To)
		if err != nil {
			return err
		}
		s.ToFSType = d.FSType
		if d.Probed != "" {
			s.SameFS = hostfs.SameFileSystem(s.From, d.Probed)
			s.Reflink = s.SameFS && d.probe.reflink
		}
		f.dests = append(f.dests, d)
	}
	return nil
}

func (f *facts) lookAt(ctx context.Context, h Host, r Request, to string) (destFacts, error) {
	d := destFacts{Destination: Destination{Path: to}}
	probed, exists, err := existing(to, r.To)
	if err != nil {
		d.problem = err.Error()
		return d, nil
	}
	if real, err := filepath.EvalSymlinks(probed); err != nil || real != probed {
		d.link = filepath.Join(real, strings.TrimPrefix(to, probed))
		return d, err
	}
	d.Probed, d.Exists, d.own = probed, exists, slices.Contains(r.Own, to)
	if exists {
		if d.entries, err = entries(to); err != nil {
			d.problem = err.Error()
			return d, nil
		}
	}
	m := mountOf(f.mounts, probed)
	d.MountPoint, d.FSType, d.Source, d.options = m.Point, m.FSType, m.Source, m.Options
	d.inside = f.overlap(to, probed)
	d.closed = closedAbove(probed)
	if d.Free, d.Inodes, err = hostfs.Space(probed); err != nil {
		d.problem = err.Error()
		return d, nil
	}
	if err := d.readBoot(ctx, h.Units, m); err != nil {
		return d, err
	}
	if d.inside == "" && !foreign(m.FSType) {
		d.probe = probe(ctx, probed)
		d.casefold = d.probe.casefold
		d.WriteRate = d.probe.rate
	}
	return d, nil
}

// existing finds the folder that a destination is to be made in. Only its last part may be missing, and docker or
// containerd below it.
func existing(to, asked string) (folder string, exists bool, err error) {
	for _, dir := range []string{to, asked, filepath.Dir(asked)} {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, err := os.Lstat(dir); err == nil {
				return "", false, fmt.Errorf("%s is a symlink to nothing", dir)
			}
			continue
		case err != nil:
			return "", false, err
		case !info.IsDir():
			return "", false, fmt.Errorf("%s is not a folder", dir)
		}
		return dir, dir == to, nil
	}
	return "", false, fmt.Errorf("there is no folder %s", filepath.Dir(asked))
}

func entries(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	var names []string
	for _, e := range list {
		if e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), probePrefix) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// overlap finds a store that the destination is in, or that is in the destination, by whichever path.
func (f *facts) overlap(to, probed string) string {
	for _, s := range f.stores {
		if hostfs.Below(to, s.From) || hostfs.Below(s.From, to) {
			return s.From
		}
		for dir := probed; dir != "/"; dir = filepath.Dir(dir) {
			if sameFile(dir, s.From) { // another way to the same place: a bind mount
				return s.From
			}
		}
	}
	return ""
}

func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// closedAbove lists the folders above, and the folder itself, that not everybody may enter.
func closedAbove(dir string) []string {
	var found []string
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			found = append(found, dir)
		}
	}
	return found
}

// readBoot finds out whether the destination's mount comes back at boot, and else makes a unit for it.
func (d *destFacts) readBoot(ctx context.Context, units Units, m hostfs.Mount) error {
	var err error
	if d.AtBoot, d.noauto, err = bootMount(ctx, units, m.Point); err != nil {
		return err
	}
	if !d.AtBoot {
		d.Mount = mountUnit(m)
	}
	return nil
}

// MountedAtBoot tells whether what is mounted on a folder is mounted again after a boot, at the latest when a unit needs it.
func MountedAtBoot(ctx context.Context, units Units, point string) (bool, error) {
	yes, _, err := bootMount(ctx, units, point)
	return yes, err
}

func bootMount(ctx context.Context, units Units, point string) (atBoot, noauto bool, err error) {
	if point == "/" {
		return true, false, nil
	}
	fstab, _ := os.ReadFile("/etc/fstab")
	if atBoot, noauto = inFstab(string(fstab), point); atBoot {
		return true, noauto, nil
	}
	// Whatever is mounted has a unit; one that a file tells of is there after a boot, too: units that need the
	// folder have it mounted.
	unit, err := units.Unit(ctx, systemd.MountName(point))
	if err != nil {
		return false, false, err
	}
	return stays(unit.Fragment), false, nil
}

// stays tells whether a unit's file is there after a boot. That of a line in fstab is made anew from it, and is still
// there when the line is gone.
func stays(fragment string) bool {
	if fragment == "" || strings.HasPrefix(fragment, "/run/systemd/transient/") || strings.HasPrefix(fragment, "/run/systemd/generator/") {
		return false
	}
	_, err := os.Stat(fragment)
	return err == nil
}

// inFstab tells whether fstab mounts something on a folder, and whether not at boot.
func inFstab(text, point string) (found, noauto bool) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || strings.HasPrefix(f[0], "#") || filepath.Clean(strings.ReplaceAll(f[1], `\040`, " ")) != point {
			continue
		}
		found, noauto = true, slices.Contains(strings.Split(f[3], ","), "noauto")
	}
	return found, noauto
}

// foreign tells the file systems on which nothing needs to be tried: the engine's data cannot be there.
func foreign(fsType string) bool { return network(fsType) || unfit(fsType) != "" }

// network tells the file systems of other machines, and those that a program serves.
func network(fsType string) bool {
	return strings.HasPrefix(fsType, "fuse") ||
		slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "glusterfs", "afs", "lustre",
			"beegfs", "gfs2", "ocfs2", "vboxsf", "prl_fs"}, fsType)
}

// unfit says what a file system cannot do that the engine needs; "" when nothing is known against it.
func unfit(fsType string) string {
	switch fsType {
	case "vfat", "msdos", "exfat", "ntfs", "ntfs3", "hfs", "hfsplus", "iso9660", "udf":
		return "it knows neither owners nor extended attributes"
	case "tmpfs", "ramfs":
		return "it is in memory and empty after a boot"
	case "overlay", "aufs", "ecryptfs", "squashfs", "erofs":
		return "overlay2 does not work on it"
	case "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "efivarfs":
		return "it is no file system for data"
	}
	return ""
}
