package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"davit/backup/repo"
	"davit/backup/repo/storage"
)

// source is a place as a repository that can be read: the files of the cards, and the blobs.
type source struct {
	unwritable
	remote    *Remote
	files     map[string][]byte
	manifests map[string]bool  // digests
	sizes     map[string]int64 // of what the cards name, by digest
	opened    time.Time
}

// ErrNoCopy is returned by Open where there is no snapshot; it is a repo.ErrNoRepository.
var ErrNoCopy = fmt.Errorf("%w: nothing was copied to this place", repo.ErrNoRepository)

// Open opens what a registry holds for reading. Where there is no snapshot it is ErrNoCopy; snapshots of
// several repositories are an error.
func (r *Remote) Open(ctx context.Context, o repo.Options) (*repo.Repository, error) {
	ids, err := r.snapshots(ctx)
	if err != nil {
		return nil, fmt.Errorf("list snapshots of %s: %w", r.place, err)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("open %s: %w", r.place, ErrNoCopy)
	}
	s := &source{remote: r, files: map[string][]byte{}, manifests: map[string]bool{}, sizes: map[string]int64{}, opened: time.Now()}
	slices.Sort(ids)
	for _, id := range ids {
		if err := s.add(ctx, id); err != nil {
			return nil, fmt.Errorf("open %s: snapshot %s: %w", r.place, id, err)
		}
	}
	o.ReadOnly = true
	o.HostKeys = "" // what this host knows is about another place
	return repo.OpenIn(ctx, s, o)
}

func (s *source) add(ctx context.Context, id string) error {
	c, err := s.remote.readCard(ctx, id)
	if err != nil {
		return err
	}
	for name, data := range c.files {
		if have, ok := s.files[name]; ok && name == "davit/config.json" && !bytes.Equal(have, data) {
			return errors.New("is of another repository than the others")
		}
		s.files[name] = data
	}
	for _, desc := range c.manifests {
		s.manifests[desc.Digest.String()] = true
		s.sizes[desc.Digest.String()] = desc.Size
	}
	for _, desc := range c.documents {
		s.sizes[desc.Digest.String()] = desc.Size
	}
	return nil
}

func (s *source) Place() string { return s.remote.place }
func (s *source) Local() bool   { return false }
func (s *source) Close() error  { return nil }

// Identify has nothing to do: all that is read more than once is in memory.
func (s *source) Identify(string) error { return nil }

// Get reads a file of the cards.
func (s *source) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	data, ok := s.files[name]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("read %s: %d bytes is too long", name, len(data))
	}
	return slices.Clone(data), nil
}

func (s *source) GetListed(ctx context.Context, e storage.Entry, limit int64) ([]byte, error) {
	return s.Get(ctx, e.Name(), limit)
}

// Open reads a blob; who reads it checks its digest.
func (s *source) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	digest, isBlob := blobDigest(name)
	if !isBlob {
		data, err := s.Get(ctx, name, repo.MaxManifest)
		return io.NopCloser(bytes.NewReader(data)), int64(len(data)), err
	}
	if s.manifests[digest] {
		_, data, err := s.remote.fetchManifest(ctx, digest)
		return io.NopCloser(bytes.NewReader(data)), int64(len(data)), absentFile(err)
	}
	desc, body, err := s.remote.client.Blobs().FetchReference(ctx, digest)
	return body, desc.Size, absentFile(err)
}

func blobDigest(name string) (string, bool) {
	hex, ok := strings.CutPrefix(name, storage.BlobFolder+"/")
	return "sha256:" + hex, ok
}

func absentFile(err error) error {
	if isAbsent(err) {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

// OpenAt is for index files, of which there are none.
func (s *source) OpenAt(context.Context, string, bool) (*os.File, int64, error) {
	return nil, 0, fs.ErrNotExist
}

func (s *source) Stat(ctx context.Context, name string) (storage.Info, error) {
	digest, isBlob := blobDigest(name)
	if data, ok := s.files[name]; ok || !isBlob {
		if !ok {
			return storage.Info{}, fs.ErrNotExist
		}
		return storage.Info{Size: int64(len(data)), Time: s.opened}, nil
	}
	if size, ok := s.sizes[digest]; ok {
		return storage.Info{Size: size, Time: s.opened}, nil
	}
	desc, err := s.remote.client.Blobs().Resolve(ctx, digest)
	return storage.Info{Size: desc.Size, Time: s.opened}, absentFile(err)
}

// List visits the files of the cards; blobs are not listed.
func (s *source) List(_ context.Context, folder string, visit func(storage.Entry) error) error {
	for name, data := range s.files {
		if path.Dir(name) != folder {
			continue
		}
		if err := visit(entry{name, storage.Info{Size: int64(len(data)), Time: s.opened}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) Empty(context.Context) (bool, error)                { return len(s.files) == 0, nil }
func (s *source) Now(context.Context) (time.Time, error)             { return time.Now(), nil }
func (s *source) Grip(context.Context, string) (storage.Grip, error) { return storage.Unknown, nil }

// Prepare refuses: a registry's place is no repository.
func (s *source) Prepare(context.Context, []string) (func(context.Context) error, error) {
	return nil, repo.ErrReadOnly
}

type entry struct {
	name string
	info storage.Info
}

func (e entry) Name() string                { return e.name }
func (e entry) Info() (storage.Info, error) { return e.info, nil }
