//go:build linux

package diskscan

import (
	"fmt"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// reached is how few bytes count as none: less than that is no room for a metadata block here and there.
const reached = 1 << 20

// FileSystems looks at the file systems that the paths are on, each once, in the order of the paths. What cannot be
// asked is a problem.
func FileSystems(paths []string) (all []FileSystem, problems []Problem) {
	table, err := hostfs.Mounts()
	if err != nil {
		problems = append(problems, Problem{"/proc/self/mountinfo", reason(err)})
	}
	for _, path := range paths {
		fs, err := fileSystem(path, table)
		if err != nil {
			problems = append(problems, Problem{path, reason(err)})
			continue
		}
		if !hold(all, fs.id, path) {
			fs.Holds = []string{path}
			all = append(all, fs)
		}
	}
	return all, problems
}

// hold notes path with its file system, if that is known already.
func hold(all []FileSystem, id uint64, path string) bool {
	for i := range all {
		if all[i].id == id {
			all[i].Holds = append(all[i].Holds, path)
			return true
		}
	}
	return false
}

func fileSystem(path string, table []hostfs.Mount) (FileSystem, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st)
	if err != nil {
		return FileSystem{}, fmt.Errorf("stat %s: %w", path, err)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return FileSystem{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	fs := limitsOf(&s)
	fs.id = unix.Mkdev(st.Dev_major, st.Dev_minor)
	fs.describe(path, st.Mnt_id, table)
	if fs.Quota {
		fs.askQuotas(path)
	}
	return fs, nil
}

func limitsOf(s *unix.Statfs_t) FileSystem {
	unit := int64(s.Frsize) // int32 on 32-bit machines
	if unit == 0 {
		unit = int64(s.Bsize)
	}
	fs := FileSystem{
		Size: int64(s.Blocks) * unit, Used: int64(s.Blocks-s.Bfree) * unit, Free: int64(s.Bavail) * unit,
		Reserved: int64(s.Bfree-min(s.Bavail, s.Bfree)) * unit,
		Inodes:   int64(s.Files), InodesFree: int64(s.Ffree),
		ReadOnly: s.Flags&unix.ST_RDONLY != 0,
	}
	if fs.ReadOnly {
		fs.Hit = append(fs.Hit, Writable)
	}
	fs.compare(Bytes, fs.Free, fs.Size, reached)
	fs.compare(Inodes, fs.InodesFree, fs.Inodes, 1)
	return fs
}

// compare files a limit under hit or near.
func (fs *FileSystem) compare(l Limit, left, of, none int64) {
	switch hit, near := judge(left, of, none); {
	case hit:
		fs.Hit = append(fs.Hit, l)
	case near:
		fs.Near = append(fs.Near, l)
	}
}

// judge says whether a limit is hit, or near. One of 0 is none.
func judge(left, of, none int64) (hit, near bool) {
	if of == 0 {
		return false, false
	}
	hit = left < min(none, max(of/100, 1))
	return hit, !hit && left < of/20
}

// describe fills in what the mount table says.
func (fs *FileSystem) describe(path string, id uint64, table []hostfs.Mount) {
	fs.MountPoint = path
	root, err := hostfs.OpenRoot(path)
	if err == nil {
		fs.Type, _, _ = root.FSType()
		root.Close()
	}
	for _, m := range table {
		if m.ID != id {
			continue
		}
		fs.MountPoint, fs.Device, fs.Type = wholeOf(m, table).Point, m.Source, m.FSType
		for _, option := range m.Options {
			switch option {
			case "usrquota", "grpquota", "prjquota", "pquota", "uquota", "gquota", "quota":
				fs.Quota = true
			}
		}
	}
}

// wholeOf is where the file system is mounted of which m shows a folder only, as an engine does with its data-root; m
// itself if it is nowhere.
func wholeOf(m hostfs.Mount, table []hostfs.Mount) hostfs.Mount {
	for _, other := range table {
		if m.Root != "/" && other.Root == "/" && other.Source == m.Source && other.FSType == m.FSType {
			return other
		}
	}
	return m
}
