package repo

import (
	"context"
	"fmt"
	"slices"
)

// Sync makes what was put durable and then known: syncfs, then an index file.
// It covers every session of this Repository. When the file system reports
// that it lost data, nothing is published and the Repository takes no more
// writes; open it anew. Any other error leaves all to the next Sync. The
// session calls this by itself every 60 seconds of the repository's clock in
// which something was put, and every 512 MiB.
func (s *Session) Sync(ctx context.Context) error {
	if err := s.usable(ctx); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := s.flush(ctx); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if s.repo.opt.AppendOnly {
		return nil
	}
	if err := s.repo.mergeIndex(ctx); err != nil {
		return fmt.Errorf("sync: merge index: %w", err)
	}
	return nil
}

// Settle returns when nothing of what was put is on its way to a server any more. It publishes
// nothing; in a folder it does nothing.
func (s *Session) Settle(ctx context.Context) error {
	if s.repo.store.Local() {
		return nil
	}
	if err := s.repo.store.Sync(ctx); err != nil {
		return fmt.Errorf("wait for uploads: %w", err)
	}
	return nil
}

func (s *Session) flush(ctx context.Context) error {
	w := &s.repo.writes
	w.flush.Lock()
	defer w.flush.Unlock()
	if err := w.state(); err != nil {
		return err
	}
	s.resetSyncDue()
	blobs := s.repo.index.BeginFlush()
	if len(blobs) == 0 {
		s.repo.index.EndFlush(true)
		return nil
	}
	if err := s.repo.store.Sync(ctx); err != nil {
		s.repo.index.EndFlush(false)
		return w.fail(err)
	}
	name, err := s.writeIndex(ctx, blobs)
	if err != nil {
		s.repo.index.EndFlush(false)
		return err
	}
	// Until the new file is taken in, the blobs are known as being flushed.
	err = s.repo.index.TakeIn(ctx, name)
	s.repo.index.EndFlush(err == nil)
	return err
}

func (s *Session) writeIndex(ctx context.Context, blobs []Blob) (name string, err error) {
	s.mu.Lock()
	s.indexes++
	name = indexFileName(s.id, s.indexes)
	s.mu.Unlock()
	err = s.repo.writeIndexFile(ctx, indexDir+"/"+name, s.repo.index.NextSequence(), withoutError(slices.Values(blobs)))
	if err != nil || s.repo.vault == nil {
		return name, err
	}
	s.repo.index.trust(blobs)
	return name, s.repo.noteWritten(ctx, name)
}

func (s *Session) resetSyncDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsynced, s.synced = 0, s.repo.opt.Now()
}
