package transfer

import (
	"context"
	"errors"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// known is what is called how in the target, by the digests of the source. Chunks are kept of encrypted sources
// only: the ids of a clear one tell those of the target.
type known struct {
	items map[repo.Digest]ocispec.Descriptor

	mu     sync.Mutex
	parts  map[repo.Digest]ocispec.Descriptor
	chunks map[shortDigest]repo.ID // nil: not kept
}

// shortDigest is enough of a digest for a map of millions.
type shortDigest [16]byte

func newKnown(encrypted bool) *known {
	k := &known{items: map[repo.Digest]ocispec.Descriptor{}, parts: map[repo.Digest]ocispec.Descriptor{}}
	if encrypted {
		k.chunks = map[shortDigest]repo.ID{}
	}
	return k
}

func (k *known) part(source repo.Digest) (ocispec.Descriptor, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	desc, ok := k.parts[source]
	return desc, ok
}

func (k *known) addPart(source repo.Digest, copied ocispec.Descriptor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.parts[source] = copied
}

func (k *known) chunk(source repo.Digest) (repo.ID, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id, ok := k.chunks[shortDigest(source[:16])]
	return id, ok
}

func (k *known) addChunk(source repo.Digest, copied repo.ID) {
	if k.chunks == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.chunks[shortDigest(source[:16])] = copied
}

// learnFrom bounds the earlier copies of each host and job that are laid beside their originals.
const learnFrom = 2

// learn finds out from earlier copies what an encrypted source's chunks are called in the target. What cannot be
// read teaches nothing, and costs time.
func (c *copier) learn(ctx context.Context, p *Plan) error {
	if c.known.chunks == nil {
		return nil
	}
	wanted := map[series]int{}
	for _, s := range p.Snapshots {
		if s.Action == ActionCopy {
			wanted[series{s.Host, s.Job}] = learnFrom
		}
	}
	for _, copied := range p.there { // the newest first
		of := series{copied.Host, copied.Job}
		if wanted[of] == 0 {
			continue
		}
		original, err := c.from.Find(ctx, copied.ID, repo.Query{})
		if err == nil && sameRun(original, copied) {
			wanted[of]--
			err = c.lay(ctx, original, copied)
		}
		var damaged *repo.DamagedError
		var unreadable *repo.UnreadableError
		if err != nil && !errors.Is(err, repo.ErrNoSnapshot) && !errors.As(err, &damaged) && !errors.As(err, &unreadable) {
			return err
		}
	}
	return nil
}

// lay lays a copy beside its original: what stands at the same place is the same.
func (c *copier) lay(ctx context.Context, original, copied repo.Snapshot) error {
	items := copied.Descriptors()
	if len(items) != len(original.Items) {
		return nil
	}
	for i, it := range original.Items {
		layItem := c.layDocument
		switch isTree := it.Desc.ArtifactType == repo.ArtifactTypeTree; {
		case isTree != (items[i].ArtifactType == repo.ArtifactTypeTree):
			return nil
		case isTree:
			layItem = c.layTree
		}
		if err := layItem(ctx, it.Desc, items[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) layTree(ctx context.Context, original, copied ocispec.Descriptor) error {
	var parts []ocispec.Descriptor
	err := repo.WalkParts(ctx, c.to, copied, func(part ocispec.Descriptor) error {
		parts = append(parts, part)
		return nil
	})
	if err != nil {
		return err
	}
	return repo.WalkParts(ctx, c.from, original, func(part ocispec.Descriptor) error {
		if len(parts) == 0 {
			return nil
		}
		copied := parts[0]
		parts = parts[1:]
		return c.layPart(ctx, part, copied)
	})
}

// layPart learns from one part. The whole part is known only when this process may refer to all of its chunks.
func (c *copier) layPart(ctx context.Context, original, copied ocispec.Descriptor) error {
	source, err := repo.ParseDigest(original.Digest.String())
	if err != nil {
		return err
	}
	if _, ok := c.known.part(source); ok {
		return nil
	}
	from, err := repo.ReadManifest(ctx, c.from, original)
	if err != nil {
		return err
	}
	to, err := repo.ReadManifest(ctx, c.to, copied)
	if err != nil || len(to.Layers) != len(from.Layers) {
		return err
	}
	whole := true
	for i := range from.Layers {
		a, errA := chunkOf(source, from.Layers[i])
		b, errB := chunkOf(source, to.Layers[i])
		if errors.Join(errA, errB) != nil || a.Len != b.Len {
			return nil
		}
		whole = whole && c.refersTo(b)
		c.known.addChunk(a.Digest, b.ID)
	}
	if whole {
		c.known.addPart(source, bare(copied))
	}
	return nil
}

// layDocument learns from an image or a definition.
func (c *copier) layDocument(ctx context.Context, original, copied ocispec.Descriptor) error {
	source, err := repo.ParseDigest(original.Digest.String())
	if err != nil || !c.stillThere(copied) {
		return err
	}
	if c.to.Encrypted() {
		sealed, err := repo.ReadManifest(ctx, c.to, copied)
		if err != nil {
			return err
		}
		for _, desc := range append(sealed.Layers, sealed.Config) {
			if b, err := chunkOf(source, desc); err != nil || !c.refersTo(b) {
				return nil //nolint:nilerr // it is copied again
			}
		}
	}
	c.known.items[source] = bare(copied)
	return nil
}

// refersTo tells whether what is stored now may refer to the very blob.
func (c *copier) refersTo(b repo.Blob) bool {
	have, ok := c.lookup(b.ID)
	return ok && have.Digest == b.Digest
}

// bare is a descriptor without what a snapshot says of the item.
func bare(desc ocispec.Descriptor) ocispec.Descriptor {
	desc.Annotations = nil
	return desc
}
