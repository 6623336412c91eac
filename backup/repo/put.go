package repo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"davit/backup/repo/storage"
)

// maxBlob bounds what is stored or read in one piece of memory.
const maxBlob = 256 * mib

// writes is what the sessions of one process share while they write.
type writes struct {
	mu      sync.Mutex
	running map[writeKey]*runningWrite
	broken  error // of a failed syncfs: nobody knows what was lost

	flush sync.Mutex // one Sync at a time
}

type runningWrite struct{ done chan struct{} }

// begin returns a new write, or else the running one to wait for.
func (w *writes) begin(key writeKey) (write *runningWrite, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if write, ok := w.running[key]; ok {
		return write, false
	}
	write = &runningWrite{done: make(chan struct{})}
	w.running[key] = write
	return write, true
}

func (w *writes) end(key writeKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.running[key].done)
	delete(w.running, key)
}

func (w *writes) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = err
	}
	return w.broken
}

func (w *writes) state() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// Put stores one encoded chunk: id and plainLen are of the plain bytes, stored
// is what goes into the file and is not kept after the return. Content that the
// live index has is not written again; the blob returned is then the one that
// exists, whose digest may differ; so may that of a new one, when its name is
// about to be removed: a frame that decoders skip is then appended. Calls may run concurrently, those for one id
// write once. The blob is durable, and found by other processes, after Sync.
func (s *Session) Put(ctx context.Context, id ID, plainLen int64, stored []byte) (Blob, error) {
	b, err := s.put(ctx, writeKey{id: id}, plainLen, stored)
	if err != nil {
		return Blob{}, fmt.Errorf("put chunk %s: %w", id, err)
	}
	return b, nil
}

// PutBlob stores a document as it is: a manifest, a catalog, a config. Its id
// is its digest. What was said of Put holds here as well.
func (s *Session) PutBlob(ctx context.Context, data []byte) (Digest, error) {
	d := DigestOf(data)
	if bytes.HasPrefix(data, []byte("{")) { // a manifest, as it seems: the next run will read it
		ctx = storage.Caching(ctx)
	}
	if _, err := s.put(ctx, writeKey{id: ID(d), raw: true}, int64(len(data)), data); err != nil {
		return Digest{}, fmt.Errorf("put blob %s: %w", d, err)
	}
	return d, nil
}

func (s *Session) put(ctx context.Context, key writeKey, plainLen int64, stored []byte) (Blob, error) {
	if len(stored) > maxBlob {
		return Blob{}, fmt.Errorf("%d bytes is more than one blob may have", len(stored))
	}
	if err := s.repo.checkSealed(key.raw, stored); err != nil {
		return Blob{}, err
	}
	if s.repo.vault != nil && s.repo.vault.idKey() == nil {
		return Blob{}, ErrNotEnrolled
	}
	for {
		if err := s.usable(ctx); err != nil {
			return Blob{}, err
		}
		if b, ok := s.repo.index.Lookup(key.id, key.form()); ok {
			return b, nil
		}
		write, first := s.repo.writes.begin(key)
		if first {
			defer s.repo.writes.end(key)
			return s.putFirst(ctx, key, plainLen, stored)
		}
		select {
		case <-write.done: // it is indexed now, or its turn passes to us
		case <-ctx.Done():
			return Blob{}, context.Cause(ctx)
		}
	}
}

// putFirst looks once more: a write of this key may have ended between the
// caller's look and its turn.
func (s *Session) putFirst(ctx context.Context, key writeKey, plainLen int64, stored []byte) (Blob, error) {
	if b, ok := s.repo.index.Lookup(key.id, key.form()); ok {
		return b, nil
	}
	b := Blob{ID: key.id, Digest: Digest(key.id), Len: plainLen, Stored: int64(len(stored))}
	if !key.raw {
		b.Digest = DigestOf(stored)
	}
	if !key.raw && s.repo.index.IsCondemned(b.Digest) {
		frame, err := s.repo.randomFrame()
		if err != nil {
			return Blob{}, err
		}
		stored = append(slices.Clone(stored), frame...)
		b.Digest, b.Stored = DigestOf(stored), int64(len(stored))
	}
	if !b.Raw() || !s.repo.index.IsCondemned(b.Digest) {
		switch err := s.repo.store.WriteBlob(ctx, b.Digest.Hex(), stored); {
		case err == nil:
			s.added(b)
			return b, nil
		case !errors.Is(err, fs.ErrExist):
			return Blob{}, err
		}
	}
	temp, err := s.repo.store.Create(ctx, s.id)
	if err != nil {
		return Blob{}, err
	}
	if _, err := temp.Write(stored); err != nil {
		temp.Abort()
		return Blob{}, err
	}
	return s.publish(ctx, temp, b)
}

// added makes a blob known that was written.
func (s *Session) added(b Blob) {
	s.repo.index.Add(b)
	s.written(b.Stored)
}

// randomFrame is a zstd frame that decoders skip. Behind a chunk it gives it a
// name that nobody condemned.
func (r *Repository) randomFrame() ([]byte, error) {
	const magic, length = 0x184D2A50, 16
	frame := binary.LittleEndian.AppendUint32(nil, magic)
	frame = binary.LittleEndian.AppendUint32(frame, length)
	r.randMu.Lock()
	defer r.randMu.Unlock()
	frame = append(frame, make([]byte, length)...)
	if _, err := io.ReadFull(r.opt.Rand, frame[len(frame)-length:]); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return frame, nil
}

// publish gives written bytes their name and makes the blob known.
func (s *Session) publish(ctx context.Context, temp storage.Temp, b Blob) (Blob, error) {
	defer temp.Abort()
	if b.Raw() && s.repo.index.IsCondemned(b.Digest) {
		return s.publishHeld(ctx, temp, b)
	}
	known, err := s.name(ctx, temp, b)
	if err != nil {
		return Blob{}, err
	}
	if !known {
		s.added(b)
	}
	return b, nil
}

// publishHeld is for a name that may be removed at any moment until Commit has
// spoken for it: the bytes are kept beside it, and no index file
// names the blob until then.
func (s *Session) publishHeld(ctx context.Context, temp storage.Temp, b Blob) (Blob, error) {
	held, err := temp.Hold(ctx)
	if err != nil {
		return Blob{}, err
	}
	if _, err := s.name(ctx, temp, b); err != nil {
		return Blob{}, errors.Join(err, held.Drop())
	}
	if old := s.noteHeld(b.Digest, held); old != nil {
		err = old.Drop()
	}
	s.repo.index.hold(heldBlob{blob: b, bytes: held, session: s.id})
	return b, err
}

// name never puts bytes that are not yet durable in the place of a file that
// another process may have indexed meanwhile: a power cut would lose its blob.
// Known tells that this is so and that the bytes are not needed.
func (s *Session) name(ctx context.Context, temp storage.Temp, b Blob) (known bool, err error) {
	if err := temp.Publish(ctx, b.Digest.Hex(), false); !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	if err := s.repo.index.Refresh(ctx); err != nil {
		return false, err
	}
	if have, ok := s.repo.index.Lookup(b.ID, keyOf(b).form()); ok && have.Digest == b.Digest {
		return true, nil
	}
	return false, temp.Publish(ctx, b.Digest.Hex(), true)
}
