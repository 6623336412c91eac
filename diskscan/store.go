package diskscan

// StoreKind is what sort of store a folder is.
type StoreKind string

// The kinds of stores.
const (
	DataRoot   StoreKind = "data-root"
	Containerd StoreKind = "containerd"
)

// Store is a folder in which an engine keeps its things.
type Store struct {
	Kind StoreKind `json:"kind"`
	Path string    `json:"path"`
}
