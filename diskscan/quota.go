//go:build linux

package diskscan

import (
	"cmp"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

const (
	quotaGet      = 0x800007 // Q_GETQUOTA
	quotaGetNext  = 0x800009 // Q_GETNEXTQUOTA
	quotaUnit     = 1024     // of limits of bytes
	quotaProject  = 2        // PRJQUOTA
	projectIoctl  = 0x801c581f
	maxQuotas     = 10_000 // that are asked for: whoever has more users has a database of them
	maxQuotasTold = 20
)

// quotaKinds are the kernel's numbers.
var quotaKinds = [...]string{"user", "group", "project"}

// quotaRecord is the kernel's struct if_nextdqblk.
type quotaRecord struct {
	bytesHard, bytesSoft, bytes    uint64
	inodesHard, inodesSoft, inodes uint64
	bytesUntil, inodesUntil        uint64 // when a soft limit that is passed becomes a hard one; 0: it is not passed
	valid, id                      uint32
}

// quotaSource is a file system that is asked for its quotas.
type quotaSource struct {
	fd     int
	device string
	now    time.Time
}

// askQuotas fills in the quotas that are reached or nearly so. Only root may see those of others.
func (fs *FileSystem) askQuotas(path string) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		fs.QuotasUnseen = true
		return
	}
	defer unix.Close(fd)
	s := &quotaSource{fd: fd, device: fs.Device, now: time.Now()}
	for kind := range quotaKinds {
		list, all := s.list(kind)
		fs.Quotas = append(fs.Quotas, list...)
		fs.QuotasUnseen = fs.QuotasUnseen || !all
	}
	slices.SortStableFunc(fs.Quotas, func(a, b Quota) int { return cmp.Compare(len(b.Hit), len(a.Hit)) })
	fs.Quotas = fs.Quotas[:min(maxQuotasTold, len(fs.Quotas))]
}

// list returns the quotas of a kind of which little is left, and whether all were seen.
func (s *quotaSource) list(kind int) (told []Quota, all bool) {
	next := uint32(0)
	for range maxQuotas {
		r := quotaRecord{}
		switch err := s.call(quotaGetNext, kind, next, &r); {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH): // there are no more; this kind is not counted
			return told, true
		case err != nil:
			return s.own(kind), false
		}
		if q := s.quota(kind, &r); len(q.Hit)+len(q.Near) > 0 {
			told = append(told, q)
		}
		if next = r.id + 1; next == 0 {
			return told, true
		}
	}
	return told, false
}

// own is what a user without rights may ask: what is left for that user.
func (s *quotaSource) own(kind int) []Quota {
	id := os.Geteuid()
	if quotaKinds[kind] == "group" {
		id = os.Getegid()
	}
	r := quotaRecord{}
	if kind == quotaProject || s.call(quotaGet, kind, uint32(id), &r) != nil {
		return nil
	}
	r.id = uint32(id)
	if q := s.quota(kind, &r); len(q.Hit)+len(q.Near) > 0 {
		return []Quota{q}
	}
	return nil
}

// call asks by the open file, which kernels before 5.14 cannot, or by the device.
func (s *quotaSource) call(what, kind int, id uint32, into *quotaRecord) error {
	command := uintptr(what<<8 | kind)
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, uintptr(s.fd), command, uintptr(id), uintptr(unsafe.Pointer(into)), 0, 0)
	if errno == unix.ENOSYS {
		device, err := unix.BytePtrFromString(s.device)
		if err != nil {
			return err
		}
		_, _, errno = unix.Syscall6(unix.SYS_QUOTACTL, command, uintptr(unsafe.Pointer(device)), uintptr(id), uintptr(unsafe.Pointer(into)), 0, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

func (s *quotaSource) quota(kind int, r *quotaRecord) Quota {
	q := Quota{
		Of: quotaKinds[kind], ID: r.id, Name: quotaName(kind, r.id),
		Used: int64(r.bytes), Limit: s.limit(r.bytesHard, r.bytesSoft, r.bytesUntil) * quotaUnit,
		Inodes: int64(r.inodes), InodeLimit: s.limit(r.inodesHard, r.inodesSoft, r.inodesUntil),
	}
	q.judge(Bytes, q.Limit-q.Used, q.Limit, reached)
	q.judge(Inodes, q.InodeLimit-q.Inodes, q.InodeLimit, 1)
	return q
}

// limit is the one that counts: the hard one, or a soft one whose time is over.
func (s *quotaSource) limit(hard, soft, until uint64) int64 {
	if soft > 0 && (hard == 0 || until > 0 && until <= uint64(s.now.Unix())) {
		return int64(soft)
	}
	return int64(hard)
}

func (q *Quota) judge(l Limit, left, of, none int64) {
	switch hit, near := judge(left, of, none); {
	case hit:
		q.Hit = append(q.Hit, l)
	case near:
		q.Near = append(q.Near, l)
	}
}

func quotaName(kind int, id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	switch quotaKinds[kind] {
	case "user":
		if u, err := user.LookupId(number); err == nil {
			return u.Username
		}
	case "group":
		if g, err := user.LookupGroupId(number); err == nil {
			return g.Name
		}
	}
	return ""
}

// findProjects looks for the folders of projects whose quota is told: an engine makes one for each layer or volume
// with a limit.
func findProjects(all []FileSystem, paths []string) {
	for i := range all {
		for j := range all[i].Quotas {
			if q := &all[i].Quotas[j]; q.Of == quotaKinds[quotaProject] {
				q.Path = folderOfProject(q.ID, paths)
			}
		}
	}
}

func folderOfProject(id uint32, paths []string) string {
	for _, path := range paths {
		if projectOf(path) == id {
			return path
		}
		for _, pattern := range []string{"overlay2/*", "volumes/*"} {
			folders, _ := filepath.Glob(filepath.Join(path, pattern)) // the pattern is a good one
			for _, folder := range folders {
				if projectOf(folder) == id {
					return folder
				}
			}
		}
	}
	return ""
}

// projectOf is the project that a folder counts for; 0 for none.
func projectOf(path string) uint32 {
	root, err := hostfs.OpenRoot(path)
	if err != nil {
		return 0
	}
	defer root.Close()
	dir, err := root.OpenDir("")
	if err != nil {
		return 0
	}
	defer dir.Close()
	var attr struct {
		flags, extent, extents, project, cow uint32
		_                                    [8]byte
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(dir.FD()), projectIoctl, uintptr(unsafe.Pointer(&attr))); errno != 0 {
		return 0
	}
	return attr.project
}
