package backup

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/archive"
	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/backup/verified"
)

// readable lists the blobs whose content a run with ReadData reads: chunks of trees, and what images and
// definitions consist of; of all snapshots all blobs, since the next backup may refer to what no snapshot needs. What cannot be looked into is left to the run to find.
func (v *verifyRun) readable(ctx context.Context, snapshots []repo.Snapshot) (*verified.Blobs, error) {
	l := blobLister{repo: v.env.Repo, blobs: &verified.Blobs{}, parts: make(map[string]bool)}
	seen := make(map[string]bool)
	for _, s := range snapshots {
		for _, it := range s.Items {
			if !v.wanted(it) || seen[itemKey(it)] {
				continue
			}
			seen[itemKey(it)] = true
			list := l.image
			if isTree(it.Kind) {
				list = l.tree
			}
			if err := ignoreDamage(list(ctx, it)); err != nil {
				return nil, fmt.Errorf("look into %s of snapshot %s: %w", FormatItem(it.Kind, it.Name), s.ID, err)
			}
		}
	}
	if v.options.Spec != "" {
		return l.blobs, nil
	}
	return l.blobs, v.env.Repo.EachBlob(ctx, l.blobs.Add)
}

func ignoreDamage(err error) error {
	if damaged := (*repo.DamagedError)(nil); errors.As(err, &damaged) {
		return nil
	}
	return err
}

// itemKey is the same for items that are the same.
func itemKey(it repo.Item) string { return it.Kind + " " + it.Desc.Digest.String() }

type blobLister struct {
	repo  *repo.Repository
	blobs *verified.Blobs
	parts map[string]bool // that were looked into
}

func (l *blobLister) tree(ctx context.Context, it repo.Item) error {
	return repo.WalkParts(ctx, l.repo, it.Desc, func(part ocispec.Descriptor) error {
		if l.parts[part.Digest.String()] {
			return nil
		}
		l.parts[part.Digest.String()] = true
		layers, err := chunk.Layers(ctx, l.repo, part)
		for _, b := range layers {
			l.blobs.Add(b.Digest, b.Stored)
		}
		return ignoreDamage(err)
	})
}

func (l *blobLister) image(ctx context.Context, it repo.Item) error {
	items := l.repo.NewItemReader()
	desc, err := items.Open(ctx, it.Desc)
	if err != nil {
		return err
	}
	absent := absentBlobs(it)
	return walkImage(ctx, items, desc, func(desc ocispec.Descriptor) error {
		if absent[desc.Digest.String()] {
			return errSkipBlob
		}
		d, err := repo.ParseDigest(desc.Digest.String())
		if err != nil {
			return err
		}
		l.blobs.Add(items.StoredDigest(d), desc.Size)
		return nil
	})
}

// absentBlobs are those of an image that were not on the host it was saved from.
func absentBlobs(it repo.Item) map[string]bool {
	absent := map[string]bool{}
	if img, err := archive.ParseItem(it.Desc, it.Annotations); err == nil {
		for _, d := range img.Absent {
			absent[d] = true
		}
	}
	return absent
}
