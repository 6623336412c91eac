package repo

import (
	"context"
	"time"
)

// condemn announces the removal of what no snapshot needs.
func (c *collection) condemn(ctx context.Context) error {
	blobs, err := c.unneeded(ctx)
	if err != nil || len(blobs) == 0 {
		return err
	}
	folders, err := c.repo.gcFolders(ctx)
	if err != nil {
		return err
	}
	number := int64(1)
	for n := range folders {
		number = max(number, n+1)
	}
	if err := c.lock.Check(); err != nil {
		return err
	}
	c.repo.at("condemn")
	if err := c.repo.putCondemned(ctx, number, blobs); err != nil {
		return err
	}
	c.repo.at("condemned")
	for _, b := range blobs {
		c.result.Condemned.add(b)
	}
	return nil
}

// unneeded lists the blobs that are to be condemned: those that no snapshot
// needs, older than the grace, and not condemned yet. It does not matter whether
// the index knows them.
func (c *collection) unneeded(ctx context.Context) ([]Blob, error) {
	pending, err := c.pending(ctx)
	if err != nil {
		return nil, err
	}
	needed := int32(len(c.graph.nodes))
	err = c.addLoose(ctx, func(d Digest) bool {
		age, _, there := c.age(ctx, d)
		return !there || age >= c.grace || pending.Has(d)
	})
	if err != nil {
		return nil, err
	}
	var old []Blob
	err = c.files.each(ctx, func(d Digest) {
		n, named := c.graph.at[d]
		if named && n < needed || pending.Has(d) {
			return
		}
		age, size, there := c.age(ctx, d)
		switch {
		case !there:
		case !named && age >= c.grace:
			old = append(old, namedBlob(d, size))
		default:
			c.result.Young.add(namedBlob(d, size))
		}
	})
	return old, err
}

// age is how long a blob's file was not written, by the file system's clock. A
// file of the future is as young as can be.
func (c *collection) age(ctx context.Context, d Digest) (age time.Duration, size int64, there bool) {
	info, err := c.files.look(ctx, d)
	if err != nil || c.grace == 0 {
		return 0, info.Size, err == nil
	}
	return c.now.Sub(info.Time), info.Size, true
}

// pending is what removals that are not done condemn.
func (c *collection) pending(ctx context.Context) (*digestSet, error) {
	runs, err := c.repo.gcRuns(ctx)
	if err != nil {
		return nil, err
	}
	var blobs []Blob
	for _, run := range runs {
		if run.isDone() {
			continue
		}
		set, err := c.repo.condemned(ctx, run.number)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, set.blobs...)
	}
	return newDigestSet(blobs), nil
}
