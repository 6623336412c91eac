package repo

import (
	"context"
	"errors"

	"davit/backup/repo/storage"
)

// heldBlob is a raw blob that was put although its name is condemned: a document
// has no other. Its session keeps its bytes beside it, and publishes it
// only after it asked for it to be spared.
type heldBlob struct {
	blob    Blob
	bytes   storage.Held
	session string
}

// IsCondemned tells whether a name is to go.
func (x *liveIndex) IsCondemned(d Digest) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.condemned.Has(d)
}

// SetCondemned replaces what is condemned. What waits for a flush and is gone is
// forgotten: a session put it that has ended, and nobody kept a removal from it.
func (x *liveIndex) SetCondemned(set *digestSet, gone func(Blob) (bool, error)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.condemned = set
	for key, b := range x.fresh {
		lost, err := gone(b)
		if err != nil {
			return err
		}
		if lost {
			delete(x.fresh, key)
		}
	}
	return nil
}

func (x *liveIndex) hold(h heldBlob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held[keyOf(h.blob)] = h
}

func (x *liveIndex) heldBytes(d Digest) (storage.Held, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	h, ok := x.held[writeKey{id: ID(d), raw: true}]
	return h.bytes, ok
}

// heldBy lists what a session holds.
func (x *liveIndex) heldBy(session string) []heldBlob {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []heldBlob
	for _, h := range x.held {
		if h.session == session {
			list = append(list, h)
		}
	}
	return list
}

// letGo ends the holding of a blob.
func (x *liveIndex) letGo(h heldBlob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.held, keyOf(h.blob))
}

// AddSaved makes a blob known that is condemned and was rescued.
func (x *liveIndex) AddSaved(b Blob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.saved[b.Digest] = true
	x.fresh[keyOf(b)] = b
}

// indexed tells whether an index file has the very record.
func (x *liveIndex) indexed(b Blob) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for place := range x.table.find(prefixOf(b.ID)) {
		have, err := x.files[place.file()].at(place.record())
		if err == nil && compareBlobs(have, b) == 0 {
			return true
		}
	}
	return false
}

// dropHeld gives up what the session still holds.
func (s *Session) dropHeld() error {
	var errs []error
	for _, h := range s.repo.index.heldBy(s.id) {
		s.repo.index.letGo(h)
	}
	for _, held := range s.held {
		errs = append(errs, held.Drop())
	}
	return errors.Join(errs...)
}

// putBack gives a blob that a removal took its name again.
func (s *Session) putBack(ctx context.Context, d Digest) (bool, error) {
	s.mu.Lock()
	held, ok := s.held[d]
	s.mu.Unlock()
	if !ok {
		return false, nil
	}
	return true, held.PutBack(ctx, d.Hex())
}

// noteHeld remembers the bytes of a blob, and returns those it had before.
func (s *Session) noteHeld(d Digest, held storage.Held) (old storage.Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.held[d]
	s.held[d] = held
	return old
}
