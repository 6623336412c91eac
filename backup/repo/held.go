package repo

import (
	"errors"
	"io"
)

// heldBlob is a raw blob that was put although its name is condemned: a document
// has no other. Its session keeps a second link to its bytes, and publishes it
// only after it asked for it to be spared.
type heldBlob struct {
	blob    Blob
	link    string
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
func (x *liveIndex) SetCondemned(set *digestSet, gone func(Blob) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.condemned = set
	for key, b := range x.fresh {
		if gone(b) {
			delete(x.fresh, key)
		}
	}
}

func (x *liveIndex) hold(h heldBlob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held[keyOf(h.blob)] = h
}

func (x *liveIndex) heldLink(d Digest) (string, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	h, ok := x.held[writeKey{id: ID(d), raw: true}]
	return h.link, ok
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

// holdLink gives the bytes of a temporary file a second name, on file systems
// without links a second file.
func (s *Session) holdLink(temp string) (string, error) {
	link := s.tempName()
	err := linkAt(s.repo.blobs, temp, link)
	if err == nil || !cannotLink(err) {
		return link, err
	}
	return link, s.copyTemp(temp, link)
}

func (s *Session) copyTemp(from, to string) error {
	in, _, err := openRegularAt(int(s.repo.blobs.Fd()), from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := createAt(s.repo.blobs, to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// dropHeld gives up what the session still holds.
func (s *Session) dropHeld() error {
	var errs []error
	for _, h := range s.repo.index.heldBy(s.id) {
		s.repo.index.letGo(h)
	}
	for _, link := range s.links {
		errs = append(errs, removeAt(s.repo.blobs, link))
	}
	return errors.Join(errs...)
}

// putBack gives a blob that a removal took its name again.
func (s *Session) putBack(d Digest) (bool, error) {
	link, ok := s.linkOf(d)
	if !ok {
		return false, nil
	}
	temp, err := s.holdLink(link)
	if err != nil {
		return false, err
	}
	if err := syncFileAt(s.repo.blobs, temp); err != nil {
		return false, errors.Join(err, removeAt(s.repo.blobs, temp))
	}
	return true, renameOver(s.repo.blobs, temp, d.Hex())
}

func (s *Session) linkOf(d Digest) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	link, ok := s.links[d]
	return link, ok
}

func (s *Session) noteLink(d Digest, link string) (old string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.links[d]
	s.links[d] = link
	return old
}
