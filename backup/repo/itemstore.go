package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ItemStore is where an item is written that consists of manifests and blobs that
// name each other by digest: an image, a definition. In a clear repository it is the
// session itself. In an encrypted one it hides what is stored behind the digests
// of the plain bytes, and Seal writes the table that leads from one to the other.
// Methods may be called concurrently.
type ItemStore struct {
	session *Session

	mu    sync.Mutex
	docs  map[Digest][]byte     // documents put, by plain digest
	blobs map[Digest]sealedBlob // what was put or looked up, by the digest shown
}

// sealedBlob is one blob and how it is shown.
type sealedBlob struct {
	stored Blob
	raw    bool
	size   int64 // before it was encrypted
}

// NewItemStore returns a store for one or more items.
func (s *Session) NewItemStore() *ItemStore {
	return &ItemStore{session: s, docs: make(map[Digest][]byte), blobs: make(map[Digest]sealedBlob)}
}

// Lookup finds content by the SHA-256 of its plain bytes, in any form.
func (i *ItemStore) Lookup(id ID) (Blob, bool) {
	r := i.session.repo
	if r.vault == nil {
		return r.Lookup(id)
	}
	if b, ok := r.index.Lookup(r.vault.keyed(id, false), encodedForm); ok {
		shown, err := i.note(id, false, b)
		return shown, err == nil
	}
	return i.LookupBlob(Digest(id))
}

// LookupBlob finds a blob that holds exactly the bytes with this digest.
func (i *ItemStore) LookupBlob(d Digest) (Blob, bool) {
	r := i.session.repo
	if r.vault == nil {
		return r.LookupBlob(d)
	}
	b, ok := r.index.Lookup(r.vault.keyed(ID(d), true), encodedForm)
	if !ok {
		return Blob{}, false
	}
	shown, err := i.note(ID(d), true, b)
	return shown, err == nil
}

// PutBlob stores a document as it is, encrypted where the repository is.
func (i *ItemStore) PutBlob(ctx context.Context, data []byte) (Digest, error) {
	r := i.session.repo
	if r.vault == nil {
		return i.session.PutBlob(ctx, data)
	}
	d := DigestOf(data)
	b, err := i.session.putSealed(ctx, d, data)
	if err != nil {
		return Digest{}, err
	}
	i.mu.Lock()
	i.docs[d] = slices.Clone(data)
	i.mu.Unlock()
	_, err = i.note(ID(d), true, b)
	return d, err
}

// NewBlob begins a blob, as Session.NewBlob does.
func (i *ItemStore) NewBlob(ctx context.Context) (*BlobWriter, error) {
	w, err := i.session.NewBlob(ctx)
	if err == nil {
		w.item = i
	}
	return w, err
}

// putSealed stores a document under the keyed form of its digest.
func (s *Session) putSealed(ctx context.Context, d Digest, data []byte) (Blob, error) {
	v := s.repo.vault
	if v.idKey() == nil {
		return Blob{}, ErrNotEnrolled
	}
	id := v.keyed(ID(d), true)
	if b, ok := s.repo.index.Lookup(id, encodedForm); ok {
		return b, nil
	}
	sealed, err := v.seal(nil, data)
	if err != nil {
		return Blob{}, fmt.Errorf("encrypt blob: %w", err)
	}
	return s.Put(ctx, id, int64(len(data)), sealed)
}

// note remembers a blob and returns it as it is shown. What is stored as a frame
// has no digest that all who look it up could know: it is shown under that of the
// encrypted bytes.
func (i *ItemStore) note(id ID, raw bool, b Blob) (Blob, error) {
	size, ok := unsealedSize(b.Stored)
	if !ok {
		return Blob{}, &DamagedError{Digest: b.Digest, Reason: "is of an impossible length"}
	}
	shown := Blob{ID: id, Digest: b.Digest, Len: b.Len, Stored: size}
	if raw {
		shown.Digest = Digest(id)
	}
	if i != nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.blobs[shown.Digest] = sealedBlob{stored: b, raw: raw, size: size}
	}
	return shown, nil
}

// sealedTable is the sealed part of an item: what it looks like before it was
// encrypted, and which blob is which.
type sealedTable struct {
	Version int                `json:"version"`
	Item    ocispec.Descriptor `json:"item"`
	Blobs   []tableEntry       `json:"blobs"` // as the layers of the manifest
}

type tableEntry struct {
	Digest string `json:"digest"` // as the item's documents name it
	Raw    bool   `json:"raw"`    // it is the digest of the bytes before they were encrypted
}

// Seal makes an item of what a descriptor leads to. In a clear repository that is
// the descriptor itself, in an encrypted one it describes a manifest of
// artifactType application/vnd.davit.sealed.v1.
func (i *ItemStore) Seal(ctx context.Context, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	if i.session.repo.vault == nil {
		return desc, nil
	}
	table := sealedTable{Version: 1, Item: desc}
	var layers []ocispec.Descriptor
	err := i.collect(desc, 2*maxDepth, make(map[Digest]bool), func(d Digest, b sealedBlob) {
		table.Blobs = append(table.Blobs, tableEntry{Digest: d.String(), Raw: b.raw})
		layers = append(layers, sealedDescriptor(MediaTypeSealed, b.stored))
	})
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("seal item: %w", err)
	}
	data, err := json.Marshal(table)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("seal item: %w", err)
	}
	config, err := i.session.putSealed(ctx, DigestOf(data), data)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("seal item: %w", err)
	}
	manifest, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: ArtifactTypeSealed, Config: sealedDescriptor(MediaTypeTable, config), Layers: layers,
	})
	if err == nil && len(manifest) > MaxManifest {
		err = fmt.Errorf("manifest of %d bytes is too long", len(manifest))
	}
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("seal item: %w", err)
	}
	d, err := i.session.PutBlob(ctx, manifest)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("seal item: %w", err)
	}
	return ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactTypeSealed, Digest: d.OCI(), Size: int64(len(manifest)),
	}, nil
}

func sealedDescriptor(mediaType string, b Blob) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: mediaType, Digest: b.Digest.OCI(), Size: b.Stored,
		Annotations: map[string]string{AnnotationID: b.ID.String(), AnnotationLen: strconv.FormatInt(b.Len, 10)},
	}
}

// collect visits each blob below desc that was put or found here, once, and in an
// order that depends on the documents alone. What else is named the item lacks:
// platforms that were not on the host.
func (i *ItemStore) collect(desc ocispec.Descriptor, depth int, seen map[Digest]bool, visit func(Digest, sealedBlob)) error {
	d, err := ParseDigest(desc.Digest.String())
	if err != nil || seen[d] {
		return nil //nolint:nilerr // an algorithm that is not ours names no blob of ours
	}
	i.mu.Lock()
	b, ok := i.blobs[d]
	doc := i.docs[d]
	i.mu.Unlock()
	if !ok {
		return nil
	}
	if depth == 0 {
		return errors.New("its manifests are nested too deep")
	}
	seen[d] = true
	visit(d, b)
	for _, child := range namedIn(d, doc) {
		if err := i.collect(child, depth-1, seen, visit); err != nil {
			return err
		}
	}
	return nil
}
