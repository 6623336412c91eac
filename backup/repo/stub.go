package repo

import (
	"context"
	"errors"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var errStub = errors.New("not written yet")

type Options struct {
	Now      func() time.Time
	Rand     io.Reader
	Host     string
	ReadOnly bool
}
type ref struct{}
type Repository struct{ config Config }

func Init(dir string, o Options) (*Repository, error) { return nil, errStub }
func Open(dir string, o Options) (*Repository, error) { return nil, errStub }
func (r *Repository) Dir() string                     { return "" }
func (r *Repository) Config() Config                  { return r.config }
func (r *Repository) Close() error                    { return nil }
func (r *Repository) Lookup(id ID) (Blob, bool)       { return Blob{}, false }

// LookupBlob finds a raw blob (one that PutBlob wrote) in the live index.
func (r *Repository) LookupBlob(d Digest) (Blob, bool) { return Blob{}, false }
func (r *Repository) ReadBlob(ctx context.Context, d Digest, stored int64, buf []byte) ([]byte, error) {
	return nil, errStub
}
func (r *Repository) OpenBlob(ctx context.Context, d Digest) (io.ReadCloser, int64, error) {
	return nil, 0, errStub
}
func (r *Repository) HasFile(d Digest) (int64, bool)                     { return 0, false }
func (r *Repository) Snapshots(ctx context.Context) ([]Snapshot, error) { return nil, errStub }
func (r *Repository) Find(ctx context.Context, spec string, q Query) (Snapshot, error) {
	return Snapshot{}, errStub
}

type RebuildResult struct {
	Records int
	Missing []Digest
}

func (r *Repository) RebuildIndex(ctx context.Context) (RebuildResult, error) {
	return RebuildResult{}, errStub
}

type IndexProblem struct {
	File string
	Err  error
}

func (r *Repository) IndexProblems() []IndexProblem { return nil }

type SessionInfo struct{ Host, Job string }
type Session struct{}

func (r *Repository) Begin(ctx context.Context, info SessionInfo) (*Session, error) {
	return nil, errStub
}
func (s *Session) Put(ctx context.Context, id ID, plainLen int64, stored []byte) (Blob, error) {
	return Blob{}, errStub
}
func (s *Session) PutBlob(ctx context.Context, data []byte) (Digest, error) { return Digest{}, errStub }

type BlobWriter struct{}

func (s *Session) NewBlob(ctx context.Context) (*BlobWriter, error) { return nil, errStub }
func (w *BlobWriter) Write(p []byte) (int, error)                   { return 0, errStub }
func (w *BlobWriter) Commit(id ID, plainLen int64) (Blob, error)    { return Blob{}, errStub }
func (w *BlobWriter) Abort()                                        {}
func (s *Session) Sync(ctx context.Context) error                   { return errStub }
func (s *Session) Commit(ctx context.Context, snap Snapshot) (Snapshot, error) {
	return Snapshot{}, errStub
}
func (s *Session) Close() error { return nil }

type BlobPutter interface {
	PutBlob(ctx context.Context, data []byte) (Digest, error)
}
type BlobReader interface {
	ReadBlob(ctx context.Context, d Digest, stored int64, buf []byte) ([]byte, error)
}

func BuildTreeItem(ctx context.Context, s BlobPutter, parts []ocispec.Descriptor, annotations map[string]string) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, errStub
}
func WalkParts(ctx context.Context, r BlobReader, item ocispec.Descriptor, visit func(ocispec.Descriptor) error) error {
	return errStub
}
