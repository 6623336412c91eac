package chunk

import (
	"context"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// A collector puts units together to parts, in stream order.
type collector struct {
	pass    *pass
	decoder *Decoder
	encoder *encoder
	part    part
	parts   []ocispec.Descriptor
	stats   Stats
	seen    map[repo.ID]struct{} // new chunks already counted
	trouble []Problem
	segment segmentCache
}

func (p *pass) newCollector() (*collector, error) {
	dec, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	enc, err := newEncoder(p.saver.options.Level)
	if err != nil {
		return nil, err
	}
	return &collector{pass: p, decoder: dec, encoder: enc, seen: map[repo.ID]struct{}{}}, nil
}

func (c *collector) close() { c.decoder.Close() }

// add waits for u and appends it to the stream.
func (c *collector) add(ctx context.Context, u *unit) error {
	select {
	case <-u.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.note(u)
	c.trouble = append(c.trouble, c.silent(ctx, u)...)
	if u.cached == nil {
		u.lineBytes = len(u.lines)
	}
	c.part.begin(u)
	if u.run != nil {
		c.count(u.run)
		if err := c.layer(ctx, u.run); err != nil {
			return err
		}
	}
	for i, ref := range u.chunks {
		c.count(ref)
		c.part.continueBig(u, i)
		if err := c.layer(ctx, ref); err != nil {
			return err
		}
	}
	c.remember(u)
	if progress := c.pass.saver.options.Progress; progress != nil {
		progress.Done(int64(len(u.members)), u.size()-u.told)
	}
	return nil
}

// note takes over what the unit reports. A primary that could not be read makes
// its links dangle, so the pass is made again without it.
func (c *collector) note(u *unit) {
	c.trouble = append(c.trouble, u.problems...)
	c.stats.BytesRead += u.read
	for _, path := range u.lost {
		for _, problem := range u.problems {
			if problem.Path == path {
				c.pass.losing = append(c.pass.losing, problem)
			}
		}
	}
}

func (c *collector) count(ref *chunkRef) {
	c.stats.Chunks++
	c.stats.PlainBytes += ref.blob.Len
	if !ref.isNew {
		return
	}
	if _, ok := c.seen[ref.blob.ID]; ok {
		return
	}
	c.seen[ref.blob.ID] = struct{}{}
	c.stats.NewChunks++
	c.stats.NewBytes += ref.blob.Len
	c.stats.StoredBytes += ref.blob.Stored
}

// layer appends a chunk to the part, and ends the part where the format says.
func (c *collector) layer(ctx context.Context, ref *chunkRef) error {
	c.part.layers = append(c.part.layers, ref.blob)
	n := len(c.part.layers)
	if n >= maxPartLayers || n >= minPartLayers && first64(ref.blob.ID)&partMask == 0 || c.part.lineBytes >= catalogEnd {
		return c.endPart(ctx)
	}
	return nil
}

// remember lets the cache trust a big file's chunks; runs are remembered when
// their part, and so their catalog, is known.
func (c *collector) remember(u *unit) {
	if !u.big || u.cached != nil || !u.trusted || len(u.chunks) == 0 {
		return
	}
	rec := bigRecord{size: u.bigFile.size, segments: u.bigFile.segments}
	for _, ref := range u.chunks {
		rec.ids = append(rec.ids, ref.blob.ID)
	}
	c.pass.cache.put(u.bigPrint, rec.encode())
}

// finish ends the stream.
func (c *collector) finish(ctx context.Context) (*Result, error) {
	if len(c.pass.losing) > 0 {
		return nil, errAgain
	}
	w, err := c.pass.newWorker()
	if err != nil {
		return nil, err
	}
	defer w.close()
	end := &chunkRef{}
	if err := w.store(ctx, trailer(), end); err != nil {
		return nil, err
	}
	c.count(end)
	c.part.end()
	c.part.layers = append(c.part.layers, end.blob)
	if err := c.endPart(ctx); err != nil {
		return nil, err
	}
	found := c.pass.found
	c.stats.Entries, c.stats.Files, c.stats.Folders, c.stats.Bytes = found.Entries, found.Files, found.Folders, found.Bytes
	return &Result{Parts: c.parts, Stats: c.stats, Problems: append(c.pass.problems, c.trouble...)}, nil
}

// endPart publishes the part, or takes the one of an earlier run when nothing in
// it changed.
func (c *collector) endPart(ctx context.Context) error {
	p := &c.part
	if len(p.layers) == 0 {
		return nil
	}
	print := p.fingerprint()
	if desc, ok := c.reuse(print); ok {
		c.parts = append(c.parts, desc)
		p.reset()
		return nil
	}
	segment, layers, err := c.catalog(ctx)
	if err != nil {
		return err
	}
	frame := c.encoder.encode(segment, nil)
	stored, err := c.pass.saver.store.Seal(nil, frame)
	if err != nil {
		return fmt.Errorf("encrypt catalog: %w", err)
	}
	catalog, err := c.pass.saver.store.PutBlob(ctx, stored)
	if err != nil {
		return fmt.Errorf("store catalog: %w", err)
	}
	if c.pass.saver.store.Encrypted() {
		c.pass.cache.putCatalog(catalog, frame)
	}
	manifest, err := partManifest(catalog, int64(len(stored)), int64(len(segment)), p.layers)
	if err != nil {
		return err
	}
	digest, err := c.pass.saver.store.PutBlob(ctx, manifest)
	if err != nil {
		return fmt.Errorf("store part: %w", err)
	}
	c.parts = append(c.parts, partDescriptor(digest, int64(len(manifest))))
	c.rememberPart(print, layers, catalog, int64(len(stored)), int64(len(segment)), partRecord{digest, int64(len(manifest)), catalog})
	p.reset()
	return nil
}

func (c *collector) reuse(print fingerprint) (ocispec.Descriptor, bool) {
	if !c.part.cached() {
		return ocispec.Descriptor{}, false
	}
	rec, ok := decodePart(c.pass.cache.get(print))
	if !ok {
		return ocispec.Descriptor{}, false
	}
	store := c.pass.saver.store
	if _, ok := store.LookupBlob(rec.digest); !ok {
		return ocispec.Descriptor{}, false
	}
	if _, ok := store.LookupBlob(rec.catalog); !ok {
		return ocispec.Descriptor{}, false
	}
	c.pass.cache.useCatalog(rec.catalog)
	return partDescriptor(rec.digest, rec.size), true
}

// catalog builds the part's catalog segment, and tells at which layer each of
// its runs is.
func (c *collector) catalog(ctx context.Context) (segment []byte, layers []int, err error) {
	layer := 0
	for _, piece := range c.part.pieces {
		at := -1
		switch {
		case piece.trailer:
			segment = appendEndLine(segment, layer)
			layer++
		case piece.hasRun:
			if piece.unit.run != nil {
				at = layer
				layer++
			}
			lines, err := c.lines(ctx, piece.unit)
			if err != nil {
				return nil, nil, err
			}
			segment = appendLayerLine(segment, at, piece.unit.entries, piece.chunks)
			segment = append(segment, lines...)
		default:
			segment = appendContinueLine(segment, piece.unit.last().path, piece.offset(), piece.chunks)
		}
		layer += piece.chunks
		layers = append(layers, at)
	}
	return segment, layers, nil
}

// lines returns the unit's catalog lines: those just made, or those of the
// catalog that the cache names.
func (c *collector) lines(ctx context.Context, u *unit) ([]byte, error) {
	if u.cached == nil {
		return u.lines, nil
	}
	rec := u.cached
	runs, err := c.segment.load(ctx, c.pass, c.decoder, rec)
	if err == nil {
		if lines, ok := runs[runAt{rec.layer, rec.entries}]; ok {
			return lines, nil
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	c.pass.damaged = true
	return nil, errAgain
}

func (c *collector) rememberPart(print fingerprint, layers []int, catalog repo.Digest, stored, plain int64, rec partRecord) {
	trusted := true
	for i, piece := range c.part.pieces {
		if piece.trailer {
			continue
		}
		trusted = trusted && piece.unit.trusted
		if !piece.hasRun || layers[i] < 0 || !piece.unit.trusted {
			continue
		}
		run := runRecord{
			id: piece.unit.run.blob.ID, length: piece.unit.run.blob.Len, catalog: catalog,
			stored: stored, plain: plain, layer: layers[i], entries: piece.unit.entries, lineBytes: piece.unit.lineBytes,
		}
		c.pass.cache.put(piece.unit.runPrint, run.encode())
	}
	if trusted {
		c.pass.cache.put(print, rec.encode())
	}
}

// segmentCache keeps the last catalog segments that were read: the runs of one
// new part mostly come from one or two old ones.
type segmentCache struct {
	digests [4]repo.Digest
	runs    [4]map[runAt][]byte
	next    int
}

// runAt names a run of a segment by what the cache knows of it.
type runAt struct{ layer, entries int }

func (s *segmentCache) load(ctx context.Context, p *pass, d *Decoder, rec *runRecord) (map[runAt][]byte, error) {
	for i, digest := range s.digests {
		if digest == rec.catalog && s.runs[i] != nil {
			return s.runs[i], nil
		}
	}
	plain, err := p.readCatalog(ctx, d, rec)
	if err != nil {
		return nil, err
	}
	runs, err := runLines(plain)
	if err != nil {
		return nil, err
	}
	s.digests[s.next], s.runs[s.next] = rec.catalog, runs
	s.next = (s.next + 1) % len(s.runs)
	return runs, nil
}

// runLines finds the entry lines of each run of a segment.
func runLines(segment []byte) (map[runAt][]byte, error) {
	runs := map[runAt][]byte{}
	err := scanGroups(segment, func(g *group) error {
		if !g.continued && !g.end {
			runs[runAt{g.layer, g.entries}] = g.lines
		}
		return nil
	})
	return runs, err
}

// readCatalog reads the catalog that a record names: from the cache when the
// repository is encrypted, since a host need not be able to decrypt what it wrote.
func (p *pass) readCatalog(ctx context.Context, d *Decoder, rec *runRecord) ([]byte, error) {
	if frame := p.cache.catalog(rec.catalog); frame != nil {
		if plain, err := d.Decode(frame, rec.plain, nil); err == nil {
			return plain, nil
		}
	}
	store := p.saver.store
	stored, err := store.ReadBlob(ctx, rec.catalog, rec.stored, nil)
	if err != nil {
		return nil, err
	}
	blob := repo.Blob{Digest: rec.catalog, Len: rec.plain, Stored: rec.stored}
	return openFrame(store, d, blob, stored, nil, nil)
}
