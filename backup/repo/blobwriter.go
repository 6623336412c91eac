package repo

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"davit/backup/repo/storage"

	"filippo.io/age"
)

// BlobWriter writes one big blob, such as an image layer, piece by piece. It
// is not for concurrent use; one session may have several.
type BlobWriter struct {
	ctx     context.Context // of NewBlob: io.Writer has no room for one
	session *Session
	temp    storage.Temp // nil after Commit or Abort
	sum     hash.Hash
	size    int64
	sealed  *sealing   // nil in a clear repository
	item    *ItemStore // learns what was committed, or nil
}

// sealing is what a BlobWriter of an encrypted repository has beside: the digest
// and length of the bytes before they are encrypted.
type sealing struct {
	out  io.WriteCloser
	sum  hash.Hash
	size int64
}

var _ io.Writer = (*BlobWriter)(nil)

// NewBlob begins a blob. The caller ends with Commit or Abort; Abort after
// Commit does nothing. When ctx is done, Write and Commit return its error.
func (s *Session) NewBlob(ctx context.Context) (*BlobWriter, error) {
	if err := s.usable(ctx); err != nil {
		return nil, fmt.Errorf("begin blob: %w", err)
	}
	temp, err := s.repo.store.Create(ctx, s.id)
	if err != nil {
		return nil, fmt.Errorf("begin blob: %w", err)
	}
	w := &BlobWriter{ctx: ctx, session: s, temp: temp, sum: sha256.New()}
	if s.repo.vault != nil {
		out, err := age.Encrypt(writerFunc(w.write), s.repo.vault.recipient)
		if err != nil {
			w.Abort()
			return nil, fmt.Errorf("begin blob: %w", err)
		}
		w.sealed = &sealing{out: out, sum: sha256.New()}
	}
	return w, nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Write appends to the blob.
func (w *BlobWriter) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, fmt.Errorf("write blob: %w", err)
	}
	if w.sealed == nil {
		return w.write(p)
	}
	n, err := w.sealed.out.Write(p)
	w.sealed.sum.Write(p[:n])
	w.sealed.size += int64(n)
	return n, err
}

func (w *BlobWriter) write(p []byte) (int, error) {
	n, err := w.temp.Write(p)
	w.sum.Write(p[:n])
	w.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write blob: %w", err)
	}
	return n, nil
}

// Digest is that of the bytes written so far, before they are encrypted.
func (w *BlobWriter) Digest() Digest {
	if w.sealed != nil {
		return Digest(w.sealed.sum.Sum(nil))
	}
	return Digest(w.sum.Sum(nil))
}

// Commit gives the blob its name and makes it known as the content id, whose
// plain bytes are plainLen long. For bytes stored as they are, id is the
// digest: ID(w.Digest()). When the live index has that content already, in the
// same form, the bytes written are thrown away and the blob that exists is
// returned.
func (w *BlobWriter) Commit(id ID, plainLen int64) (Blob, error) {
	defer w.Abort()
	if err := w.usable(); err != nil {
		return Blob{}, fmt.Errorf("commit blob: %w", err)
	}
	if w.sealed != nil {
		return w.commitSealed(id, plainLen)
	}
	b := Blob{ID: id, Digest: w.Digest(), Len: plainLen, Stored: w.size}
	if have, ok := w.session.repo.index.Lookup(id, keyOf(b).form()); ok {
		return have, nil
	}
	if !b.Raw() && w.session.repo.index.IsCondemned(b.Digest) {
		frame, err := w.session.repo.randomFrame()
		if err == nil {
			_, err = w.Write(frame)
		}
		if err != nil {
			return Blob{}, fmt.Errorf("commit blob: %w", err)
		}
		b.Digest, b.Stored = w.Digest(), w.size
	}
	return w.publish(b)
}

func (w *BlobWriter) publish(b Blob) (Blob, error) {
	temp := w.temp
	w.temp = nil
	b, err := w.session.publish(w.ctx, temp, b)
	if err != nil {
		return Blob{}, fmt.Errorf("commit blob %s: %w", b.Digest, err)
	}
	return b, nil
}

// commitSealed is Commit in an encrypted repository. The blob returned is as an
// ItemStore shows it.
func (w *BlobWriter) commitSealed(id ID, plainLen int64) (Blob, error) {
	repo := w.session.repo
	if repo.vault.idKey() == nil {
		return Blob{}, fmt.Errorf("commit blob: %w", ErrNotEnrolled)
	}
	raw := id == ID(w.Digest())
	key := repo.vault.keyed(id, raw)
	b, have := repo.index.Lookup(key, encodedForm)
	if !have {
		err := w.sealed.out.Close()
		if err == nil {
			b, err = w.publish(Blob{ID: key, Digest: Digest(w.sum.Sum(nil)), Len: plainLen, Stored: w.size})
		}
		if err != nil {
			return Blob{}, fmt.Errorf("commit blob: %w", err)
		}
	}
	return w.item.note(id, raw, b)
}

// Abort throws the bytes away. A file that cannot be removed is left to the
// next Begin.
func (w *BlobWriter) Abort() {
	if w.temp == nil {
		return
	}
	w.temp.Abort()
	w.temp = nil
}

func (w *BlobWriter) usable() error {
	if w.temp == nil {
		return ErrClosed
	}
	return w.session.usable(w.ctx)
}
