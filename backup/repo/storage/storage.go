package storage

import (
	"context"
	"io"
	"os"
	"time"
)

// BlobFolder is where blobs are.
const BlobFolder = "blobs/sha256"

// Storage is one repository's place.
type Storage interface {
	// Place names it for people, without secrets.
	Place() string
	// Local tells that it is a folder of this machine.
	Local() bool
	// Prepare makes the place ready for a new repository, or says why it is none for one:
	// ErrNotEmpty, or a server that does not keep what package storage promises.
	// Of several that do this at once at most one goes on; it calls done when the repository is there.
	Prepare(ctx context.Context, folders []string) (done func(context.Context) error, err error)
	// Empty tells whether there is nothing at all.
	Empty(ctx context.Context) (bool, error)
	// Identify tells the repository's id, by which caches are kept apart.
	Identify(id string) error
	Close() error

	Files
	Blobs
	Locks
}

// Info is what a storage knows of a file.
type Info struct {
	Size int64
	Time time.Time // when it was last written or touched, by the storage's clock
}

// Entry is a listed file.
type Entry interface {
	Name() string // whole
	Info() (Info, error)
}

// Files are all but blobs; reading works for blobs as well.
type Files interface {
	// Get reads a file of at most limit bytes; a longer one is an error.
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	// GetListed is Get of a file that is written once: what a cache has of it, with the
	// same size and time, will do.
	GetListed(ctx context.Context, e Entry, limit int64) ([]byte, error)
	// Open reads a file from its beginning and tells its size.
	Open(ctx context.Context, name string) (io.ReadCloser, int64, error)
	// OpenAt opens a file that is written once for reading in any order, from
	// a copy that is here where there is one. The caller checks what he reads; with fresh
	// set no old copy is used.
	OpenAt(ctx context.Context, name string, fresh bool) (*os.File, int64, error)
	Stat(ctx context.Context, name string) (Info, error)
	// List visits all files below a folder; an absent folder is empty. What appears or
	// goes meanwhile may be listed or not. An error of visit ends it.
	List(ctx context.Context, folder string, visit func(Entry) error) error
	// Put writes a file; if there is one it is replaced.
	Put(ctx context.Context, name string, data []byte) error
	// PutFrom is Put of what write writes. An error of write leaves all as it was.
	PutFrom(ctx context.Context, name string, write func(io.Writer) error) error
	// Remove removes a file, durably. An absent one is no error.
	Remove(ctx context.Context, name string) error
	// RemoveAll removes a folder with all below.
	RemoveAll(ctx context.Context, folder string) error
	// Now is the storage's clock.
	Now(ctx context.Context) (time.Time, error)
}

// Blobs writes the files of BlobFolder.
type Blobs interface {
	// WriteBlob writes a blob whose bytes are at hand, or returns fs.ErrExist when it knows
	// that there is one of that name. What a call leaves that failed or was killed is not whole:
	// a blob is only to be trusted where somebody refers to it after a Sync.
	WriteBlob(ctx context.Context, name string, data []byte) error
	// Create begins a blob that is seen when it is whole. The owner is whom RemoveTemps knows it by.
	Create(ctx context.Context, owner string) (Temp, error)
	// Sync makes all durable that was published. After an error nobody knows
	// what was lost: it is returned by every later call.
	Sync(ctx context.Context) error
	// RemoveBlobs removes blobs by their names in the folder. Each is told to gone once it is
	// removed; those that were absent already are not. All is durable on return.
	RemoveBlobs(ctx context.Context, names []string, gone func(name string, size int64)) error
	// RemoveTemps removes what the owners left half-written.
	RemoveTemps(ctx context.Context, owners []string) error
	// Tidy removes what a killed process left half-written a day ago or more.
	Tidy(ctx context.Context, now time.Time) error
}

// Temp is a blob that is being written; not for concurrent use.
type Temp interface {
	io.Writer
	// Hold keeps the bytes for whatever happens to the name. It comes before Publish.
	Hold(ctx context.Context) (Held, error)
	// Publish gives the blob its name in the folder. Without replace it returns fs.ErrExist when it
	// knows that there is one; with it, that one is replaced by bytes that are durable.
	// Where a name is replaced at once by all or nothing, replace changes nothing.
	Publish(ctx context.Context, name string, replace bool) error
	// Abort throws the bytes away; after a Publish that returned nil it does nothing.
	Abort()
}

// Held is the bytes of a blob, which stay until Drop.
type Held interface {
	Open() (io.ReadCloser, int64, error)
	// PutBack publishes them under a name, durably.
	PutBack(ctx context.Context, name string) error
	Drop() error
}

// Grip says whether somebody holds a file's claim.
type Grip int

// What can be told of a claim.
const (
	Unknown Grip = iota // nothing can be
	Free                // nobody of this machine's running kernel does
	Taken               // somebody does, for certain
)

// Locks are claims and locks.
type Locks interface {
	// Claim writes a file that shows that the caller lives.
	Claim(ctx context.Context, name string, content []byte) (Claim, error)
	Grip(ctx context.Context, name string) (Grip, error)
	// Lock takes a lock or returns a *LockedError at once.
	Lock(ctx context.Context, name string, owner []byte) (Lock, error)
	// Holders tells who holds a lock, dead or not.
	Holders(ctx context.Context, name string) ([]Ticket, error)
	// Break takes a lock away from a holder that is known to be dead.
	Break(ctx context.Context, t Ticket) error
}

// Claim is a file that shows that its writer lives.
type Claim interface {
	// Touch sets the file's time to now.
	Touch(ctx context.Context) error
	// Time is the file's time.
	Time(ctx context.Context) (time.Time, error)
	// Release removes the file.
	Release(ctx context.Context) error
}

// Lock is a lock that is held.
type Lock interface {
	// Check returns an error when the lock may be lost: nothing may be removed or
	// replaced any more.
	Check() error
	Release()
}

// Ticket is what the holder of a lock wrote.
type Ticket struct {
	Name    string // of its file
	Owner   []byte
	Seen    time.Time // last sign of life
	Certain bool      // he lives
	Expired bool      // he counts as dead
}
