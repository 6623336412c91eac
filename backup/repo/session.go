package repo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"davit/backup/repo/storage"
)

const (
	syncInterval    = 60 * time.Second // of the repository's clock
	syncBytes       = 512 * mib        // stored bytes
	refreshInterval = 60 * time.Second // of the session file, real time
	tick            = 5 * time.Second
)

// SessionInfo says who writes. An empty Host is the repository's.
type SessionInfo struct {
	Host, Job string
	// Vouch lets the session make snapshots of any host in an encrypted repository, which
	// needs an identity: copies of what others have made.
	Vouch bool
}

// Session is one run that writes. Sessions of several hosts and processes, and
// several in one process, may be open at the same time. The methods may be
// called concurrently, Close last.
type Session struct {
	repo  *Repository
	id    string
	host  string
	job   string
	vouch bool
	claim storage.Claim // its file

	began  time.Time      // on the wall: that goes on while the machine sleeps
	seen   time.Time      // when its file was written, by the storage's clock
	gcSeen int64          // the newest removal that was there before this session
	gcDone map[int64]bool // removals that were over when it began
	past   error          // what CheckHeads found then

	closed    atomic.Bool
	cancel    context.CancelFunc // ends the keeper
	done      sync.WaitGroup     // it has ended
	wake      chan struct{}      // a Sync is due
	releasing sync.WaitGroup     // locks are given back

	mu       sync.Mutex              // guards what follows
	indexes  int64                   // index files written
	unsynced int64                   // stored bytes since the last Sync
	synced   time.Time               // when that began
	held     map[Digest]storage.Held // the bytes of what it holds
}

// Begin opens a session: what others have written since Open becomes known,
// and what dead sessions left half-written is removed. The caller must Close
// it, whatever happens.
func (r *Repository) Begin(ctx context.Context, info SessionInfo) (*Session, error) {
	if r.opt.ReadOnly {
		return nil, fmt.Errorf("begin session: %w", ErrReadOnly)
	}
	if info.Host == "" {
		info.Host = r.opt.Host
	}
	now := r.opt.Now()
	s := &Session{
		repo: r, host: info.Host, job: info.Job, vouch: info.Vouch, wake: make(chan struct{}, 1),
		began: now.Round(0), synced: now, held: make(map[Digest]storage.Held),
	}
	if err := s.register(ctx); err != nil {
		return nil, fmt.Errorf("begin session: %w", err)
	}
	r.at("session")
	if err := r.together(ctx, s.removeLeftovers, s.learnCondemned, r.index.Refresh, s.learnPast); err != nil {
		return nil, errors.Join(fmt.Errorf("begin session: %w", err), s.release(context.WithoutCancel(ctx)))
	}
	keeping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.done.Go(func() { s.keep(keeping) })
	return s, nil
}

// learnPast looks, in an encrypted repository, at what hosts have made so far.
func (s *Session) learnPast(ctx context.Context) error {
	if s.repo.vault == nil {
		return nil
	}
	refs, forgotten, err := s.repo.refsEver(ctx)
	if err != nil {
		return err
	}
	seen, err := s.repo.seenHeads()
	if err == nil {
		err = compareHeads(seen, headsOf(append(refs, forgotten...)))
	}
	s.past = err
	return s.repo.learnTrusted(ctx, refs)
}

// Past is what CheckHeads found when the session began: nil, or why what is there is not what was seen.
func (s *Session) Past() error { return s.past }

// Close ends the session and removes its file. What was put but not synced is
// not published by this.
func (s *Session) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cancel()
	s.done.Wait()
	err := errors.Join(s.dropHeld(), s.release(context.Background()))
	if s.releasing.Wait(); err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}

// release removes the session's file. Who may not remove leaves it: it counts as dead a day later.
func (s *Session) release(ctx context.Context) error {
	err := s.claim.Release(ctx)
	if kept := (*storage.KeptError)(nil); s.repo.opt.AppendOnly && errors.As(err, &kept) {
		return nil
	}
	return err
}

// keep shows that the session lives, and syncs now and then.
func (s *Session) keep(ctx context.Context) {
	if !s.repo.Local() {
		_ = s.repo.store.Tidy(ctx, s.seen) // else a later session does
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	touched := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-ticker.C:
		}
		if time.Since(touched) >= refreshInterval {
			touched = time.Now()
			_ = s.claim.Touch(ctx) // one that looks older than it is counts as dead too early, which costs time
		}
		if s.syncDue() {
			// What goes wrong here goes wrong again in the caller's next Sync
			// or Commit, or, after a failed syncfs, in its next Put.
			_ = s.Sync(ctx)
		}
	}
}

func (s *Session) syncDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due()
}

func (s *Session) due() bool {
	late := s.repo.opt.Now().Sub(s.synced) >= syncInterval
	return s.unsynced >= syncBytes || s.unsynced > 0 && late
}

// written counts towards the next Sync.
func (s *Session) written(stored int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsynced += stored
	if !s.due() {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // the keeper has been told
	}
}

func (s *Session) usable(ctx context.Context) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return s.repo.writes.state()
}
