package repo

import (
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The kinds of items.
const (
	KindVolume     = "volume"
	KindBind       = "bind"
	KindPath       = "path"
	KindRWLayer    = "rw-layer"
	KindImage      = "image"
	KindContainer  = "container"
	KindNetwork    = "network"
	KindDefinition = "definition"
)

// Snapshot is one run's complete, immutable result.
type Snapshot struct {
	ID            string // 16 hexadecimal digits
	Time          time.Time
	Host, Job     string
	Consistency   string
	EngineVersion string
	DavitVersion  string
	Complete      bool // everything that was selected is in it
	Items         []Item
	Digest        Digest // of the snapshot index blob
	Size          int64  // of the snapshot index blob
	Summary       map[string]string

	// Of an encrypted repository: the root document, and the items without names.
	// Items is nil as long as it was not decrypted.
	root   *ocispec.Descriptor
	sealed []ocispec.Descriptor
}

// ItemCount is how many items there are, whether their names are known or not.
func (s *Snapshot) ItemCount() int { return max(len(s.Items), len(s.sealed)) }

// Sealed tells that the names of the items are not known, for want of a key.
func (s *Snapshot) Sealed() bool { return len(s.Items) < len(s.sealed) }

// Descriptors are those of the items, in their order, whether their names are known or not.
func (s *Snapshot) Descriptors() []ocispec.Descriptor {
	if s.sealed != nil {
		return slices.Clone(s.sealed)
	}
	list := make([]ocispec.Descriptor, len(s.Items))
	for i, item := range s.Items {
		list[i] = item.Desc
	}
	return list
}

// Item is one thing a snapshot holds. Kind and Name together are unique in a
// snapshot; Name may be any bytes.
type Item struct {
	Kind, Name  string
	Desc        ocispec.Descriptor
	Annotations map[string]string // the item's own, without those this package sets
}

// Find looks an item up by kind and name.
func (s *Snapshot) Find(kind, name string) (Item, bool) {
	for _, item := range s.Items {
		if item.Kind == kind && item.Name == name {
			return item, true
		}
	}
	return Item{}, false
}

// Query narrows down what "latest" means; an empty field matches everything.
type Query struct{ Host, Job, ItemKind, ItemName string }
