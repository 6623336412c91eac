package chunk

import (
	"context"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// Stream writes a tree item's stream, a pax archive, to w. A damaged blob ends it with a *repo.DamagedError.
func Stream(ctx context.Context, r Reader, item ocispec.Descriptor, w io.Writer) error {
	dec, err := NewDecoder()
	if err != nil {
		return err
	}
	defer dec.Close()
	var stored, sealed, plain []byte
	return repo.WalkParts(ctx, r, item, func(desc ocispec.Descriptor) error {
		part, err := readPart(ctx, r, desc)
		if err != nil {
			return err
		}
		for _, blob := range part.Layers {
			if stored, err = r.ReadBlob(ctx, blob.Digest, blob.Stored, stored); err != nil {
				return err
			}
			if plain, err = openChunk(r, dec, blob, stored, sealed, plain); err != nil {
				return err
			}
			if _, err := w.Write(plain); err != nil {
				return fmt.Errorf("write archive: %w", err)
			}
		}
		return nil
	})
}
