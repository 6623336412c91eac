package backup

import (
	"encoding/json"
	"time"
)

// Query narrows which snapshots are meant.
type Query struct {
	Host string   // "" is any for List, this host for "latest"
	Job  string   // "" is any
	Tags []string // of List: all of these; none is any
}

// Sealed stands for the kinds of items in SnapshotInfo when they are not known: the repository is
// encrypted, and no key was given.
const Sealed = "sealed"

// SnapshotInfo is one line of ls.
type SnapshotInfo struct {
	ID          string         `json:"id"`
	Time        time.Time      `json:"time"`
	Host        string         `json:"host"`
	Job         string         `json:"job,omitempty"`
	Tags        []string       `json:"tags,omitempty"`
	Complete    bool           `json:"complete"`
	Consistency string         `json:"consistency,omitempty"`
	Engine      string         `json:"engine,omitempty"` // version
	Davit       string         `json:"davit"`            // version
	Items       map[string]int `json:"items"`            // how many of each kind
	Files       int64          `json:"files"`
	Bytes       int64          `json:"bytes"` // what the items hold
}

// SnapshotDetail is what show tells of a snapshot.
type SnapshotDetail struct {
	SnapshotInfo
	Contents []ItemInfo `json:"contents"`
}

// ItemInfo is one item of a snapshot.
type ItemInfo struct {
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Digest      string            `json:"digest"`
	Files       int64             `json:"files,omitempty"`
	Entries     int64             `json:"entries,omitempty"`
	Bytes       int64             `json:"bytes"`
	Consistency string            `json:"consistency,omitempty"`
	Consistent  bool              `json:"consistent"`
	Problems    int               `json:"problems,omitempty"` // files that were marked when it was saved
	Source      string            `json:"source,omitempty"`
	ImageID     string            `json:"image_id,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Document is a definition; env values are redacted unless ShowOptions.Secrets is set.
	Document json.RawMessage `json:"document,omitempty"`
}

// Ref is KIND/NAME, percent-encoded.
func (i ItemInfo) Ref() string { return FormatItem(i.Kind, i.Name) }

// ShowOptions says what Show tells.
type ShowOptions struct {
	Spec    string // SNAPSHOT[:KIND/NAME]; with an item only that one, with its document
	Query   Query
	Secrets bool
}

// FileInfo is one entry of an item.
type FileInfo struct {
	Path   string    `json:"path"` // without a leading slash, "" for the root
	Type   string    `json:"type"` // file, dir, symlink, hardlink, fifo, char, block, socket
	Mode   uint32    `json:"mode"` // permission, setuid, setgid and sticky bits as in st_mode
	UID    uint32    `json:"uid"`
	GID    uint32    `json:"gid"`
	Size   int64     `json:"size"`
	Mtime  time.Time `json:"mtime"`
	Target string    `json:"target,omitempty"` // of links
	Note   string    `json:"note,omitempty"`   // why this entry has no content
}
