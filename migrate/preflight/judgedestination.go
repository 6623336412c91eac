package preflight

import (
	"slices"
	"strings"
)

// judgeDestinations is about the folders and file systems that the stores are to go to.
func (f *facts) judgeDestinations(l *findings, r Request) {
	for _, d := range f.dests {
		if judgeFolder(l, d) {
			f.judgeFileSystem(l, d)
		}
	}
}

// judgeFolder is about the folder; it tells whether its file system is worth a word.
func judgeFolder(l *findings, d destFacts) bool {
	switch {
	case d.problem != "":
		l.refuse("destination", "make it, or mount the disk it is on", "the destination cannot be used: %s", d.problem)
		return false
	case d.link != "":
		l.refuse("destination", "use --to "+d.link, "%s leads over a symlink, which systemd does not follow when it waits for mounts", d.Path)
		return false
	case d.inside != "":
		l.refuse("destination-inside", "choose a folder beside it", "%s and %s are one in the other", d.Path, d.inside)
		return false
	case d.own:
		l.ok("destination-empty", "%s is of an unfinished migration, and is gone on with", d.Path)
	case len(d.entries) > 0:
		l.refuse("destination-empty", "choose an empty or new folder", "%s is not empty: it has %s", d.Path, shortList(d.entries))
	case d.Exists:
		l.ok("destination-empty", "%s is empty", d.Path)
	default:
		l.ok("destination-empty", "%s will be made", d.Path)
	}
	return true
}

// judgeFileSystem is about what the engine can do there.
func (f *facts) judgeFileSystem(l *findings, d destFacts) {
	why := unfit(d.FSType)
	switch {
	case network(d.FSType):
		l.refuse("filesystem", "use a local disk with ext4 or xfs", "%s is on %s, which other machines or programs serve: the engine's data cannot be there", d.Path, d.FSType)
		return
	case why != "":
		l.refuse("filesystem", "use a disk with ext4 or xfs", "%s is on %s: %s", d.Path, d.FSType, why)
		return
	}
	judgeOptions(l, d)
	if slices.Contains(d.options, "ro") {
		return
	}
	for _, failure := range d.probe.failures {
		l.refuse("probe", "use a disk with ext4 or xfs (made with ftype=1)", "%s (%s) does not keep what the engine needs: %s", d.Path, d.FSType, failure)
	}
	if d.probe.unsure != "" {
		l.warn("probe", "", "%s: %s", d.Path, d.probe.unsure)
	}
	if d.casefold {
		l.refuse("probe", "use another folder", "%s takes upper and lower case for the same", d.Path)
	}
	if d.probe.tried && len(d.probe.failures) == 0 && d.probe.unsure == "" {
		l.ok("probe", "%s on %s keeps attributes, links, devices, and an overlay with whiteouts and opaque folders", d.Path, d.FSType)
	}
	if f.info.UserNS {
		for _, dir := range d.closed {
			l.refuse("closed", "chmod o+x "+dir, "%s is closed to others, and containers in a remapped user namespace could not reach their files", dir)
		}
	}
}

func judgeOptions(l *findings, d destFacts) {
	has := func(o string) bool { return slices.Contains(d.options, o) }
	if has("ro") {
		l.refuse("mount-options", "mount it for writing; look into the journal whether the kernel found errors on it", "%s is mounted read-only", d.MountPoint)
	}
	if has("noexec") {
		l.refuse("mount-options", "mount -o remount,exec "+d.MountPoint+", and change it in fstab", "%s is mounted noexec: nothing could be run from volumes", d.MountPoint)
	}
	for _, o := range []string{"nosuid", "nodev"} {
		if has(o) {
			l.warn("mount-options", "mount -o remount,"+strings.TrimPrefix(o, "no")+" "+d.MountPoint, "%s is mounted %s, which holds in volumes too", d.MountPoint, o)
		}
	}
}

// need is what goes to one file system.
type need struct{ bytes, files uint64 }

// judgeSpace is about room, of all stores that go to one file system together.
func (f *facts) judgeSpace(l *findings, r Request) {
	needs := map[string]need{}
	for i, s := range f.stores {
		d := f.dests[i]
		if d.Probed == "" || d.inside != "" || r.Method == "rename" && s.SameFS {
			continue
		}
		n := needs[d.MountPoint]
		n.files += uint64(s.Files) + uint64(s.Files)/50 + 1000
		if s.Reflink && r.Method != "copy" {
			n.bytes += uint64(s.Files) * 4096 // what describes the files
		} else {
			n.bytes += uint64(s.Bytes)
		}
		needs[d.MountPoint] = n
	}
	done := map[string]bool{}
	for _, d := range f.dests {
		n, ok := needs[d.MountPoint]
		if !ok || done[d.MountPoint] || d.Probed == "" {
			continue
		}
		done[d.MountPoint] = true
		judgeRoom(l, d, n)
	}
}

// judgeRoom wants a twentieth and 64 MiB more than there is to copy: the engine writes on meanwhile.
func judgeRoom(l *findings, d destFacts, n need) {
	const hint = "make room there, prune the engine first with `davit prune`, or use a bigger disk"
	n.bytes += n.bytes/20 + 64<<20
	level := (*findings).refuse
	if d.own { // part of it is there already
		level = (*findings).warn
	}
	short := false
	if d.Free < n.bytes {
		short = true
		level(l, "space", hint, "%s has %s free, and %s are needed", d.MountPoint, size10(int64(d.Free)), size10(int64(n.bytes)))
	}
	if d.Inodes < n.files {
		short = true
		level(l, "inodes", "make a file system with more inodes (mkfs.ext4 -N, or xfs)", "%s has %d inodes free, and %d are needed", d.MountPoint, d.Inodes, n.files)
	}
	if !short {
		l.ok("space", "%s has %s free, %s are needed", d.MountPoint, size10(int64(d.Free)), size10(int64(n.bytes)))
	}
}

// judgeBoot is about the mount being there after a boot: an engine that starts before it finds an empty folder.
func (f *facts) judgeBoot(l *findings, r Request) {
	done := map[string]bool{}
	for _, d := range f.dests {
		if d.MountPoint == "" || foreign(d.FSType) || done[d.MountPoint] || d.inside != "" {
			continue
		}
		done[d.MountPoint] = true
		switch {
		case d.MountPoint == "/":
			l.ok("boot", "%s is on the root file system", d.Path)
		case d.AtBoot && d.noauto:
			l.warn("boot", "remove noauto from /etc/fstab", "%s has noauto in /etc/fstab; the engine's unit will ask for it all the same", d.MountPoint)
		case d.AtBoot:
			l.ok("boot", "%s is mounted at boot, and the engine will wait for it", d.MountPoint)
		case r.WriteMountUnit && d.Mount != nil:
			l.ok("boot", "the run writes %s, which mounts %s at boot", d.Mount.Path, d.MountPoint)
		case r.AllowUnmounted:
			l.warn("boot", "put it into /etc/fstab", "nothing mounts %s at boot: the engine will not start then", d.MountPoint)
		case d.Mount == nil:
			l.refuse("boot", "write one, or use --allow-unmounted", "nothing mounts %s (%s) at boot, and davit can write no unit for it", d.MountPoint, d.Source)
		default:
			l.refuse("boot", "put it into /etc/fstab, or use --write-mount-unit, or --allow-unmounted",
				"nothing mounts %s at boot: the engine would then start on an empty folder", d.MountPoint)
		}
	}
}
