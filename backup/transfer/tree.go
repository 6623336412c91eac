package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// tree copies a file tree, part by part.
func (c *copier) tree(ctx context.Context, it repo.Item) (ocispec.Descriptor, error) {
	var parts []ocispec.Descriptor
	err := repo.WalkParts(ctx, c.from, it.Desc, func(part ocispec.Descriptor) error {
		copied, err := c.part(ctx, part)
		parts = append(parts, copied)
		return err
	})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return repo.BuildTreeItem(ctx, c.session, parts, nil)
}

// part copies one part. What a part says of its chunks' places holds for the copy as well: only their names differ.
func (c *copier) part(ctx context.Context, part ocispec.Descriptor) (ocispec.Descriptor, error) {
	source, err := repo.ParseDigest(part.Digest.String())
	if err != nil {
		return part, err
	}
	if desc, ok := c.known.part(source); ok && c.stillThere(desc) {
		return desc, nil
	}
	if !c.from.Encrypted() && !c.to.Encrypted() && c.stillThere(part) {
		return bare(part), nil
	}
	manifest, err := repo.ReadManifest(ctx, c.from, part)
	if err != nil {
		return part, err
	}
	if manifest.ArtifactType != repo.ArtifactTypePart {
		return part, &repo.DamagedError{Digest: source, Reason: "is no part"}
	}
	if err := c.chunks(ctx, source, manifest.Layers); err != nil {
		return part, err
	}
	if manifest.Config, err = c.catalog(ctx, manifest.Config); err != nil {
		return part, err
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return part, fmt.Errorf("encode part: %w", err)
	}
	d, err := c.putBlob(ctx, data)
	if err != nil {
		return part, err
	}
	desc := ocispec.Descriptor{MediaType: part.MediaType, ArtifactType: part.ArtifactType, Digest: d.OCI(), Size: int64(len(data))}
	c.known.addPart(source, desc)
	return desc, nil
}

// chunks copies the chunks that descriptors name, several at once, and makes these name the copies.
func (c *copier) chunks(ctx context.Context, part repo.Digest, layers []ocispec.Descriptor) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(c.env.Workers, len(layers)) {
		wg.Go(func() {
			for i := range next {
				b, err := chunkOf(part, layers[i])
				if err == nil {
					b, err = c.chunk(ctx, b)
				}
				if err != nil {
					cancel(err)
					return
				}
				layers[i] = describeChunk(b)
			}
		})
	}
	for i := range layers {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// chunkOf reads the descriptor of a chunk.
func chunkOf(part repo.Digest, desc ocispec.Descriptor) (b repo.Blob, err error) {
	damaged := func(err error) error { return &repo.DamagedError{Digest: part, Reason: err.Error()} }
	if b.Digest, err = repo.ParseDigest(desc.Digest.String()); err != nil {
		return b, damaged(err)
	}
	if b.ID, err = repo.ParseID(desc.Annotations[repo.AnnotationID]); err != nil {
		return b, damaged(err)
	}
	if b.Len, err = strconv.ParseInt(desc.Annotations[repo.AnnotationLen], 10, 64); err != nil || b.Len < 0 {
		return b, damaged(errors.New("names a chunk without a length"))
	}
	b.Stored = desc.Size
	return b, nil
}

func describeChunk(b repo.Blob) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: repo.MediaTypeChunk, Digest: b.Digest.OCI(), Size: b.Stored,
		Annotations: map[string]string{repo.AnnotationID: b.ID.String(), repo.AnnotationLen: strconv.FormatInt(b.Len, 10)},
	}
}

// catalog copies the list of files in a part.
func (c *copier) catalog(ctx context.Context, desc ocispec.Descriptor) (ocispec.Descriptor, error) {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return desc, err
	}
	stored, err := c.readBlob(ctx, d, desc.Size, nil)
	if err != nil {
		return desc, err
	}
	frame, err := c.unseal(d, nil, stored)
	if err != nil {
		return desc, err
	}
	sealed, err := c.to.Seal(nil, frame)
	if err != nil {
		return desc, err
	}
	if d, err = c.putBlob(ctx, sealed); err != nil {
		return desc, err
	}
	desc.Digest, desc.Size = d.OCI(), int64(len(sealed))
	return desc, nil
}
