package diskscan

import "time"

// ReportVersion is the version of the JSON form: it grows when a field changes its meaning or goes.
const ReportVersion = 1

// Report is everything that is told at once. Its JSON form is stable.
type Report struct {
	Version     int            `json:"version"`
	Time        time.Time      `json:"time"`
	Host        string         `json:"host"`
	FileSystems []FileSystem   `json:"file_systems"`
	Stores      []Store        `json:"stores"`
	Total       Usage          `json:"total"`
	Owners      []Owner        `json:"owners"`
	Since       *time.Time     `json:"since,omitempty"` // of the saved scan that growth is counted from
	Files       []File         `json:"files"`
	Hidden      []Hidden       `json:"hidden,omitempty"`
	DeletedOpen []OpenFile     `json:"deleted_open"`
	Free        []Remedy       `json:"free"`
	Types       []TypeUsage    `json:"types,omitempty"`
	Folders     []*FolderUsage `json:"folders,omitempty"`
	Problems    []Problem      `json:"problems"`
	Tree        *Tree          `json:"-"`
	Notes       []Problem      `json:"notes,omitempty"`         // what a user without rights is not shown
	MoreHidden  int            `json:"more_problems,omitempty"` // problems beyond the list

	scanned int
}

// FileSystem is one file system with its limits.
type FileSystem struct {
	MountPoint string   `json:"mount_point"`
	Device     string   `json:"device"`
	Type       string   `json:"type"`
	Size       int64    `json:"size"`
	Used       int64    `json:"used"`
	Free       int64    `json:"free"`     // what anybody may still take
	Reserved   int64    `json:"reserved"` // free, and kept for root
	Inodes     int64    `json:"inodes"`   // 0 where the file system does not count them
	InodesFree int64    `json:"inodes_free"`
	ReadOnly   bool     `json:"read_only,omitempty"`
	Quota      bool     `json:"quota,omitempty"` // it keeps quotas; a limit of one user or project can be hit earlier
	Hit        []Limit  `json:"hit,omitempty"`   // the limits that are reached
	Near       []Limit  `json:"near,omitempty"`  // those of which less than 5 % is left
	Holds      []string `json:"holds"`           // what of that which was asked for is on it

	Quotas       []Quota `json:"quotas,omitempty"`        // those that are hit first, then those of which less than 5 % is left
	QuotasUnseen bool    `json:"quotas_unseen,omitempty"` // there may be more: only root sees those of others

	id uint64
}

// Quota is what one user, group or project may take of a file system.
type Quota struct {
	Of         string  `json:"of"` // user, group or project
	ID         uint32  `json:"id"`
	Name       string  `json:"name,omitempty"`
	Path       string  `json:"path,omitempty"`  // of a project: the folder it is for
	Owner      string  `json:"owner,omitempty"` // of a project: whose folder that is
	Used       int64   `json:"used"`
	Limit      int64   `json:"limit"` // in bytes; 0: none
	Inodes     int64   `json:"inodes"`
	InodeLimit int64   `json:"inode_limit"` // 0: none
	Hit        []Limit `json:"hit,omitempty"`
	Near       []Limit `json:"near,omitempty"`
}

// Limit is what a file system can run out of.
type Limit string

// The limits.
const (
	Bytes    Limit = "bytes"
	Inodes   Limit = "inodes"
	Writable Limit = "read-only" // the kernel makes a file system read-only after errors
)

// OpenFile is a deleted file that a process still has: its bytes are free only when the last one lets go.
type OpenFile struct {
	Path        string `json:"path"` // as it was; a file that never had a name has a number
	Bytes       int64  `json:"bytes"`
	PID         int    `json:"pid"`
	Process     string `json:"process"`
	FD          int    `json:"fd"` // -1: only mapped into memory
	ContainerID string `json:"container_id,omitempty"`
	Container   string `json:"container,omitempty"` // its name
	Holders     int    `json:"holders"`             // processes that have it
}

// Hidden is what lies below a mount point: it takes space, and no path leads to it.
type Hidden struct {
	MountPoint string `json:"mount_point"`
	Usage
}
