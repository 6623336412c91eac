package repo

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// sweepAll carries out the removals that nothing keeps waiting any more.
func (c *collection) sweepAll(ctx context.Context) error {
	runs, err := c.repo.gcRuns(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.isDone() {
			continue
		}
		waits, err := c.waits(ctx, run)
		if err != nil {
			return err
		}
		if waits != nil {
			set, err := c.repo.condemned(ctx, run.number)
			if err != nil {
				return err
			}
			waits.Amount = set.amount()
			c.result.Waiting = append(c.result.Waiting, *waits)
			continue
		}
		if err := c.sweep(ctx, run.number); err != nil {
			return fmt.Errorf("removal %d: %w", run.number, err)
		}
	}
	return nil
}

// waits tells what a removal waits for. One that has begun is always resumed.
func (c *collection) waits(ctx context.Context, run gcRun) (*GCWaiting, error) {
	if run.sweeping {
		return nil, nil
	}
	sessions, err := c.repo.sessions(ctx)
	if err != nil {
		return nil, err
	}
	w := &GCWaiting{Number: run.number, Until: run.condemned.Add(c.grace).UTC()}
	for _, s := range sessions {
		if !s.Dead && s.GCSeen < run.number {
			w.Sessions = append(w.Sessions, s.String())
		}
	}
	if len(w.Sessions) == 0 && (c.grace == 0 || !c.now.Before(w.Until)) {
		return nil, nil
	}
	return w, nil
}

// sweep removes what is condemned and still not needed. From "sweeping" on a
// session that needs some of it waits for "done" and looks what is left, so what
// is asked for later need not be seen here.
func (c *collection) sweep(ctx context.Context, number int64) error {
	r := c.repo
	r.at("sweep")
	if err := c.lock.Check(); err != nil {
		return err
	}
	if err := r.putMarker(ctx, number, sweepingFile); err != nil {
		return err
	}
	r.at("sweeping")
	condemned, err := r.condemned(ctx, number)
	if err != nil {
		return err
	}
	rescued, err := r.rescued(ctx, number)
	if err != nil {
		return err
	}
	r.at("rescues read")
	doomed, err := c.doomed(ctx, condemned, rescued)
	if err != nil {
		return err
	}
	r.at("unindex")
	if err := r.unindex(ctx, doomed); err != nil {
		return fmt.Errorf("publish index: %w", err)
	}
	if err := c.remove(ctx, doomed); err != nil {
		return err
	}
	r.at("done")
	return r.putMarker(ctx, number, doneFile)
}

// remove takes the blobs away in pieces: before each it is certain that the lock is still held.
func (c *collection) remove(ctx context.Context, doomed *digestSet) error {
	r := c.repo
	r.at("remove")
	names := make(map[string]Digest, len(doomed.blobs))
	half := len(doomed.blobs) / 2
	for _, piece := range [][]Blob{doomed.blobs[:half], doomed.blobs[half:]} {
		if len(piece) > 0 && len(piece) == len(doomed.blobs)-half {
			r.at("half removed")
		}
		for part := range slices.Chunk(piece, 500) {
			list := make([]string, len(part))
			for i, b := range part {
				list[i] = b.Digest.Hex()
				names[list[i]] = b.Digest
			}
			if err := c.lock.Check(); err != nil {
				return err
			}
			err := r.store.RemoveBlobs(ctx, list, func(name string, size int64) {
				c.result.Removed.add(namedBlob(names[name], size))
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// doomed is what is condemned, not rescued, and not needed by what is there now.
func (c *collection) doomed(ctx context.Context, condemned, rescued *digestSet) (*digestSet, error) {
	if err := c.addRefs(ctx); err != nil {
		return nil, err
	}
	if err := c.repo.index.Refresh(ctx); err != nil {
		return nil, err
	}
	goes := func(d Digest) bool { return condemned.Has(d) && !rescued.Has(d) }
	if err := c.addLoose(ctx, goes); err != nil {
		return nil, err
	}
	doomed := &digestSet{}
	for _, b := range condemned.blobs {
		if rescued.Has(b.Digest) || c.graph.Has(b.Digest) {
			c.result.Spared++
			continue
		}
		doomed.blobs = append(doomed.blobs, b)
	}
	return doomed, nil
}

// unindex publishes the index without the blobs that go.
func (r *Repository) unindex(ctx context.Context, goes *digestSet) error {
	lock, err := r.waitWriteLock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := r.index.Refresh(ctx); err != nil {
		return err
	}
	files, err := r.index.reopenAll(ctx)
	if err != nil {
		return err
	}
	defer closeAll(files)
	found, err := names(mergeRecords(ctx, files), goes)
	if err != nil || !found {
		return err
	}
	var old []string
	for _, f := range files {
		old = append(old, f.name)
	}
	return r.replaceIndex(ctx, lock, without(mergeRecords(ctx, files), goes), old)
}

// names tells whether records name a blob of a set.
func names(records iter.Seq2[Blob, error], set *digestSet) (bool, error) {
	for b, err := range records {
		if err != nil || set.Has(b.Digest) {
			return err == nil, err
		}
	}
	return false, nil
}

// reopenAll opens all files anew, since the live index may close its own.
func (x *liveIndex) reopenAll(ctx context.Context) ([]*indexFile, error) {
	x.mu.RLock()
	known := slices.Clone(x.files)
	x.mu.RUnlock()
	var files []*indexFile
	for _, f := range known {
		opened, _, err := openIndexFile(ctx, x.store, indexDir, f.name)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("open %s: %w", f.name, err)
		}
		files = append(files, opened)
	}
	return files, nil
}

func without(records iter.Seq2[Blob, error], goes *digestSet) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		for b, err := range records {
			if err == nil && goes.Has(b.Digest) {
				continue
			}
			if !yield(b, err) {
				return
			}
		}
	}
}
