package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/chunk"
	"davit/backup/repo"
)

// Restore writes an item below the place, as chunk.Restore does, and writes it out to disk. path restores one entry,
// "" all. progress may be nil. One restore at a time.
func (p *Place) Restore(ctx context.Context, r chunk.Reader, item ocispec.Descriptor, path string, progress chunk.Progress) (*chunk.RestoreResult, error) {
	desc, err := json.Marshal(item)
	if err != nil {
		return nil, fmt.Errorf("encode descriptor: %w", err)
	}
	dec, err := chunk.NewDecoder()
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	blobs := p.client.blobs
	if err := blobs.begin(r, dec, item, progress); err != nil {
		return nil, err
	}
	defer blobs.end()
	q := &packer{}
	q.number(p.tree)
	q.text(path)
	q.bytes(desc)
	body, err := p.client.peer.call(ctx, opRestore, q.b)
	if failed := blobs.failed(); failed != nil && ctx.Err() == nil {
		return nil, failed // the agent only knows its text
	}
	if err != nil {
		return nil, err
	}
	u := &unpacker{b: body}
	result := &chunk.RestoreResult{Entries: u.number(), Files: u.number(), Bytes: u.number()}
	for range u.count(3) {
		result.Problems = append(result.Problems, chunk.Problem{Path: u.text(), Kind: chunk.ProblemKind(u.text()), Reason: u.text()})
	}
	return result, u.err()
}

// blobSource answers the agent's questions for blobs: for those of one item, which are known from the manifests that
// it was given before.
type blobSource struct {
	mu       sync.Mutex
	reader   chunk.Reader // nil: nothing is restored
	decoder  *chunk.Decoder
	progress chunk.Progress
	allowed  map[repo.Digest]allowed
	err      error
}

// allowed is a blob that may be asked for.
type allowed struct {
	stored, length int64
	id             repo.ID
	what           blobKind
}

type blobKind byte

const (
	manifestBlob blobKind = iota + 1
	catalogBlob
	chunkBlob
)

var errNotAllowed = errors.New("the helper container asks for a blob that does not belong to what is restored")

func (s *blobSource) begin(r chunk.Reader, d *chunk.Decoder, item ocispec.Descriptor, progress chunk.Progress) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader != nil {
		return errors.New("a restore is under way")
	}
	s.reader, s.decoder, s.progress, s.err = r, d, progress, nil
	s.allowed = map[repo.Digest]allowed{}
	return s.allow(item, manifestBlob)
}

func (s *blobSource) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader, s.allowed = nil, nil
}

func (s *blobSource) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// allow adds what a descriptor names. s.mu is held.
func (s *blobSource) allow(d ocispec.Descriptor, what blobKind) error {
	digest, err := repo.ParseDigest(d.Digest.String())
	if err != nil {
		return err
	}
	a := allowed{stored: d.Size, what: what}
	if what != manifestBlob {
		if _, err := fmt.Sscan(d.Annotations[repo.AnnotationLen], &a.length); err != nil {
			return fmt.Errorf("length of blob %s: %w", digest, err)
		}
	}
	if what == chunkBlob {
		if a.id, err = repo.ParseID(d.Annotations[repo.AnnotationID]); err != nil {
			return err
		}
	}
	s.allowed[digest] = a
	return nil
}

// answer is the client's side of what the agent asks.
func (s *blobSource) answer(ctx context.Context, o op, body []byte) ([]byte, error) {
	u := &unpacker{b: body}
	switch o {
	case opProgress:
		entries, bytes := u.number(), u.number()
		s.mu.Lock()
		progress := s.progress
		s.mu.Unlock()
		if progress != nil && !u.bad && entries >= 0 && bytes >= 0 {
			progress.Done(entries, bytes)
		}
		return nil, u.err()
	case opBlob:
		digest, err := repo.ParseDigest(u.text())
		if err != nil {
			return nil, err
		}
		data, err := s.blob(ctx, digest)
		if err != nil {
			s.mu.Lock()
			s.err = errors.Join(s.err, err)
			s.mu.Unlock()
		}
		return data, err
	}
	return nil, errNotAllowed
}

func (s *blobSource) blob(ctx context.Context, digest repo.Digest) ([]byte, error) {
	s.mu.Lock()
	r, dec := s.reader, s.decoder
	a, ok := s.allowed[digest]
	s.mu.Unlock()
	if !ok {
		return nil, errNotAllowed
	}
	data, err := r.ReadBlob(ctx, digest, a.stored, nil)
	if err != nil {
		return nil, err
	}
	if a.what == manifestBlob {
		return data, s.allowChildren(data)
	}
	frame, err := chunk.OpenFrame(r, dec, repo.Blob{ID: a.id, Digest: digest, Len: a.length, Stored: a.stored}, data, a.what == chunkBlob)
	return frame, err
}

// allowChildren lets the agent ask for what a manifest or an index names.
func (s *blobSource) allowChildren(data []byte) error {
	var m struct {
		Manifests []ocispec.Descriptor
		Config    *ocispec.Descriptor
		Layers    []ocispec.Descriptor
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range m.Manifests {
		if err := s.allow(d, manifestBlob); err != nil {
			return err
		}
	}
	for _, d := range m.Layers {
		if err := s.allow(d, chunkBlob); err != nil {
			return err
		}
	}
	if m.Config != nil {
		return s.allow(*m.Config, catalogBlob)
	}
	return nil
}
