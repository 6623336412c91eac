package hostfs

import "errors"

// Stat is what statx says of one inode.
type Stat struct {
	Dev, Ino     uint64
	Rdev         uint64 // of a device; Major and Minor take it apart
	MountID      uint64 // 0 on kernels before 5.8
	Size         int64
	Blocks       int64 // allocated, in units of 512 bytes
	Mtime, Ctime Timespec
	Mode         uint32 // st_mode, type bits (TypeMask) included
	Nlink        uint32
	UID, GID     uint32
	Chattr       uint32 // the flags of chattr that statx shows, where a file system has them: immutable, append, nodump
}

// The types of files in st_mode, as Linux numbers them wherever davit runs.
const (
	TypeMask    = 0o170000
	TypeSocket  = 0o140000
	TypeSymlink = 0o120000
	TypeRegular = 0o100000
	TypeBlock   = 0o060000
	TypeFolder  = 0o040000
	TypeChar    = 0o020000
	TypeFifo    = 0o010000
)

// ErrNotRegular is the error of OpenRegular for anything but a regular file.
var ErrNotRegular = errors.New("not a regular file")

// IsDir says whether it is a folder.
func (s *Stat) IsDir() bool { return s.Mode&TypeMask == TypeFolder }

// IsRegular says whether it is a regular file.
func (s *Stat) IsRegular() bool { return s.Mode&TypeMask == TypeRegular }

// IsSymlink says whether it is a symbolic link.
func (s *Stat) IsSymlink() bool { return s.Mode&TypeMask == TypeSymlink }

// The two extended attributes that hold POSIX ACLs.
const (
	XattrACLAccess  = "system.posix_acl_access"
	XattrACLDefault = "system.posix_acl_default"
)

// Xattr is one extended attribute, its name with the namespace.
type Xattr struct {
	Name  string
	Value []byte
}

// Segment is a range of a file.
type Segment struct{ Off, Len int64 }

// mountOf tells a mount; kernels before 5.8 only tell the device.
type mountOf struct{ id, dev uint64 }

func (s *Stat) mount() mountOf { return mountOf{s.MountID, s.Dev} }

// same says whether two are one mount. A btrfs subvolume has a device of its own but is no mount.
func (m mountOf) same(n mountOf) bool {
	if m.id == 0 || n.id == 0 {
		return m.dev == n.dev
	}
	return m.id == n.id
}

// Entry is one file, folder or other object of a walk.
type Entry struct {
	Dir  string // the folder it is in, relative to the root; "" for the root's own children
	Name string // "" for the root itself
	Stat
}

// Path is the entry's path relative to the root; "" for the root itself.
func (e *Entry) Path() string { return join(e.Dir, e.Name) }

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// WalkOptions steers a walk. Its functions are called by several goroutines at once.
type WalkOptions struct {
	// Workers is how many goroutines read folders ahead; 0 means GOMAXPROCS.
	Workers int
	// Skip leaves an entry, and everything below it, out. It is not asked for the root.
	Skip func(dir, name string, st *Stat) bool
	// EnterMount says whether to go on below a folder on which something is mounted. Nil: never. The folder itself
	// is an entry either way.
	EnterMount func(path string, st *Stat) bool
	// Problem is told of what could not be read. What vanished meanwhile is no problem: it is simply gone.
	Problem func(path string, err error)
}

// SweepOptions steers a sweep. Its functions are called by several goroutines at once and mean what they mean in
// WalkOptions.
type SweepOptions struct {
	Workers    int // 0: enough to keep a disk busy
	EnterMount func(path string, st *Stat) bool
	Problem    func(path string, err error)
}

// SweepVisit is called for every entry by several goroutines at once; worker, below the number of workers, tells them
// apart. The entry and its strings are valid only during the call. in is what belongs to the folder of the entry; for a
// folder, below is what its own entries get as in, and enter says whether to go into it.
type SweepVisit[T any] func(worker int, in T, e *Entry) (below T, enter bool)
